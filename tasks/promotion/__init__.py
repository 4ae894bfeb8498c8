"""Judging, promoting and rolling back models: the way to production. Plain code; tasks/steps/promote.py makes tasks
of it.
"""
