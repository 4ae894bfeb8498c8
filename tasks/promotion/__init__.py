"""Judging, promoting and rolling back models: the way to production. Plain code; tasks/promote.py makes tasks of it."""
