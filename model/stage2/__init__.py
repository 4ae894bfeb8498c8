"""Stage 2, landmarks to pictures: masks, warps, networks and losses of face crops. Arrays in, arrays out."""
