"""Acceptance of finished dubs: measures of every shot, the verdict of a policy, and what becomes of failed shots."""
