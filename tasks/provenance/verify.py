"""Verification of a file: signature, marks, and what it was made of. The file is read by a child in the sandbox."""

from contextlib import closing
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import EXPLANATIONS
from heterodub.tasks.ingestion.child_process import FunctionName
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.media.paths import path_to_uri
from heterodub.tasks.provenance.certificate import read_certificates
from heterodub.tasks.provenance.report import Verification

_VERIFY: Final = FunctionName("heterodub.tasks.provenance.findings:verified")

_SEARCHED_S: Final = 60
"""Seconds of media that are searched for a watermark, for the time limit."""


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


def _anchors(path: Path | None) -> str | None:
    if path is None:
        return None
    found = read_certificates(path, "file of trust anchors")  # the C2PA library takes what is none for no anchors
    return "".join(entry.public_bytes(Encoding.PEM).decode() for entry in found)
