"""Where raw files come from: folders, buckets, manifests, corpus files."""
