"""Identities: faces and voices measured, people found among them, corrections by hand."""
