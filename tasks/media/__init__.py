"""From a file's bytes to frames at 25 fps and sound at 16 kHz."""
