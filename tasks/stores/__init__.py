"""The workspace: Delta tables, releases, splits."""
