"""Evaluation of generators, translators and whole systems on held-out clips."""
