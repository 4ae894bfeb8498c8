"""What both stages train with: plans of batches, the loop, checkpoints, listeners. Knows no tracker and no store."""
