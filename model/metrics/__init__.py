"""Scores of landmarks, the baselines they stand beside, and intervals around them."""
