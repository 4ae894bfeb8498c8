"""Perceptual distances by pre-trained image networks."""
