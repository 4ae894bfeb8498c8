"""Scores of trained models on clips of a release, and of dubbed videos."""
