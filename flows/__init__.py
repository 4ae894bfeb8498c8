"""Flows: they wire tasks together and hold no logic. The command line and the choice of cluster live here, too."""
