"""Results of commands as tables and sentences on a terminal."""
