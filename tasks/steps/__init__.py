"""Prefect tasks and what they need of Prefect: artifacts, events, approval, progress."""
