"""Findings on a file that is verified, in the child: manifest, marks and watermark."""

import tempfile
from pathlib import Path

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.tasks.media.paths import localise
from heterodub.tasks.provenance.reading import mark_of, read_manifest
from heterodub.tasks.provenance.report import Verification
from heterodub.tasks.provenance.watermark_search import has_watermark


def verified(uri: str, limits: LimitSettings, anchors: str | None) -> Verification:
    """Verify a file that was handed over, in the child.

    Raises: MediaRefusedError - it cannot be read, or is no video.
    """
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch, localise(uri, Path(scratch)) as path:
        manifest = read_manifest(path, anchors)
        try:
            return Verification(manifest, mark_of(path), has_watermark(path, limits))
        except MediaRefusedError:  # what was done to it may be why it does not decode
            return Verification(manifest, None, None)
