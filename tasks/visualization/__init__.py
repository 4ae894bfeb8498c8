"""Pictures of landmarks that people look at: arrays in, PNG and MP4 out."""
