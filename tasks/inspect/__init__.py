"""Inspection of a workspace: its state, its files and clips with the reasons of their routes, and check-ups."""
