"""Retraining: changes of footage since the last attempt, the steps that are due, and their summary."""
