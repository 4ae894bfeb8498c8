"""Figures and videos of landmarks and faces: arrays in, PNG and MP4 out."""
