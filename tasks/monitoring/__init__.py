"""What runs of flows leave behind: rows of `metrics`, a sign of life while they last, log lines."""
