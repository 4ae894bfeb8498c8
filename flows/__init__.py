"""When and where: flows wire tasks together; the command line and the choice of cluster live here. No logic."""
