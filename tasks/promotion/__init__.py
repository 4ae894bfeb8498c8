"""Promotion and rollback of models. Plain code; tasks/steps/promote.py makes Prefect tasks of it."""
