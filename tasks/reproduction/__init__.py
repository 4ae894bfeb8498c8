"""Reproduction of the paper's tables on a release: trainings, evaluation, and tables on disk."""
