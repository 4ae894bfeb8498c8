"""Stage 2: landmarks to pictures. Masks, warps, networks, losses and scores of face crops; arrays in, arrays out."""
