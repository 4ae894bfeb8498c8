"""The sandbox of a process that opens foreign media: it reads its inputs, writes its results, and nothing else."""
