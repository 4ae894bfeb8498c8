"""Rendering of results on a terminal, as tables and sentences."""
