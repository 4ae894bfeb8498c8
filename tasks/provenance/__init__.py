"""Marks on finished dubs that machines can read: signed manifests, and their verification."""
