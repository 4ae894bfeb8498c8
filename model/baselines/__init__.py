"""The systems that the paper compares with, written from their papers: speech and crops in, painted crops out."""
