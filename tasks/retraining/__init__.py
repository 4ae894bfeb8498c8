"""Retraining: what changed since it was last tried, what is left to do about it, and how that is told."""
