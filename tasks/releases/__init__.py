"""Releases: which clips belong to one, how they are split, audited and published."""
