"""Audit between writing and publishing. The only place that imports Great Expectations."""
