"""Trainings: selection of clips, checks, datasets, training runs and their files."""
