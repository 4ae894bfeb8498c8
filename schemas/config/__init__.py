"""Settings: one tree, from a file, variables and arguments."""
