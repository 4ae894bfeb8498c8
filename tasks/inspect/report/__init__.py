"""HTML reports: one static file each."""
