"""Arrays of a dubbing: which frame stands when, which face, what its mouth is to do, how it is laid back in."""
