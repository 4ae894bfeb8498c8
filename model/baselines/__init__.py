"""The systems that the paper compares with, implemented from their papers: speech and crops in, generated crops out."""
