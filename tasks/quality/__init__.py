"""Measuring clips, and routing them by their measurements."""
