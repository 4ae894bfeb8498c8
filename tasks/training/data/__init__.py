"""Datasets of trainings: stored clips by id, batches by number."""
