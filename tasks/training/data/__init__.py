"""Feeds trainings from a release: stored clips by id, batches by number."""
