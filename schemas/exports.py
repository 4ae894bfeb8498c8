"""Names in the folder of an export."""

from typing import Final

RECORD: Final = "export.json"
"""File by which an export is known; written last."""

MEDIA: Final = "media"
"""Folder with raw files, if they were asked for."""

MANIFEST: Final = "media.csv"
"""Manifest of the raw files, with their labels, as `ingest` reads manifests."""
