"""Trainings: what is learned from which release, under which checks, and where its files go."""
