"""What a process may do that opens foreign media: read what it was given, write its results, and nothing else."""
