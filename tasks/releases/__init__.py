"""Releases: their clips, splits, audit and publication."""
