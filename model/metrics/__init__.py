"""Scores of landmarks and pictures, trivial controls, and confidence intervals."""
