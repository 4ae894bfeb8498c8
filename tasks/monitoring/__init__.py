"""Records of flow runs: rows of `metrics`, a heartbeat while they last, log lines."""
