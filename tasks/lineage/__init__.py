"""Lineage and takedown: finding footage, erasing it, and keeping it from coming back."""
