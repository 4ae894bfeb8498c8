"""Training code of both stages: window sampler, trainer, checkpoints, callbacks. Knows no tracker and no store."""
