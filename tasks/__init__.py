"""Doing: thin Prefect tasks in tasks/*.py over plain working parts in the folders beside them."""
