"""Releases written in formats of others: WebDataset, Hugging Face, Croissant."""
