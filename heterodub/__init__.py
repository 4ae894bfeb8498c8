"""Sorts raw, mixed-quality footage into training data for two-stage visual dubbing, trains both stages, and dubs.

In a checkout `flows`, `model`, `schemas` and `tasks` are links to the folders beside this one.
"""
