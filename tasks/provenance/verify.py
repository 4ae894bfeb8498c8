"""Verification of a file: signature, marks, and what it was made of. The file is read by a child in the sandbox."""

import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError, SigningError, SourceError
from heterodub.schemas.reasons import EXPLANATIONS
from heterodub.tasks.ingestion.child_process import FunctionName
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.media.paths import localise, path_to_uri
from heterodub.tasks.provenance.reading import ManifestReport, State, mark_of, read_manifest
from heterodub.tasks.provenance.watermark_search import has_watermark

_VERIFY: Final = FunctionName("heterodub.tasks.provenance.verify:verified")

_SEARCHED_S: Final = 60
"""Seconds of media that are searched for a watermark, for the time limit."""

EXIT_CODES: Final[dict[State, int]] = {"intact": 0, "altered": 3, "unsigned": 4, "untrusted": 5, "expired": 5}
"""Exit code of `heterodub verify` by what it found; 1 and 2 are errors of any command."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Findings on a file. manifest: of its signature. mark: the first mark of a generator in the file, signed or not;
    see synthetic_marks. watermark: our own. Both are None where the pictures cannot be decoded.
    """

    manifest: ManifestReport
    mark: str | None
    watermark: bool | None

    def summary(self, file: str) -> dict[str, Any]:
        """Return a dictionary ready for JSON."""
        return {"file": file, **asdict(self.manifest), "mark": self.mark, "watermark": self.watermark}


def verify_file(location: str, settings: Settings) -> dict[str, Any]:
    """Verify a file by its path or address; returns the summary of a Verification.

    Raises: SourceError - it cannot be read, or is no video. SigningError - the trust anchors cannot be read.
    """
    uri = location if "://" in location else path_to_uri(Path(location))
    limits = settings.limits
    request = (_VERIFY, uri, limits, _anchors(settings.provenance.trust_anchors))
    limit_s = limits.time_limit_s + limits.time_limit_factor * _SEARCHED_S
    try:
        with closing(Decoder(limits)) as decoder:
            found: Verification = decoder.run(*request, media=[uri], time_limit_s=limit_s, returns=Verification)
    except MediaRefusedError as error:
        explanation = EXPLANATIONS.get(error.reason, str(error.reason))
        raise SourceError(f"{location}: {explanation}" + (f" ({error.detail})" if error.detail else "")) from error
    return found.summary(location)


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


def _anchors(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("ascii")
    except (OSError, ValueError) as error:
        raise SigningError(f"the trust anchors {path} cannot be read: {error}") from error
