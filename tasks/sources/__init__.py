"""Sources of raw files: folders, buckets, manifests, corpus files."""
