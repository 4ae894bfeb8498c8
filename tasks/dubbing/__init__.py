"""Dubbing one video: read, followed, spoken, painted, written."""
