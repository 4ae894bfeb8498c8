"""Measuring clips, and routing them by what was measured."""
