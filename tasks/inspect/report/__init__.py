"""Pages for people: one static HTML file each."""
