"""What networks and stores mean by a mel column, a frame and a landmark."""
