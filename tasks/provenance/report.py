"""Records of what a file's manifest and marks say. Loads neither C2PA nor a decoder."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from heterodub.tasks.provenance.manifest import DubRecord

State = Literal["intact", "untrusted", "expired", "altered", "unsigned"]
"""intact: as it was signed. untrusted: so too, but by none of the authorities that are trusted, where any are named.
expired: so too, but the certificate is out of date, so that nobody vouches for it. altered: not as it was signed, or
the manifest cannot be read. unsigned: no manifest in the file.
"""

SourceState = Literal["intact", "altered", "none"]
"""Of the source's own manifest, when the dub was signed."""

EXIT_CODES: Final[dict[State, int]] = {"intact": 0, "altered": 3, "unsigned": 4, "untrusted": 5, "expired": 5}
"""Exit code of `heterodub verify` by what it found; 1 and 2 are errors of any command."""


@dataclass(frozen=True, slots=True)
class ManifestReport:
    """Content of a file's newest manifest, and whether it holds. signer, issuer: of the certificate. trusted: an
    authority that was named vouches for the signer. failures: codes of C2PA with their explanations. record: of our own
    dubs alone. source: see SourceState; source_signer: who signed the source.
    """

    state: State
    signer: str | None = None
    issuer: str | None = None
    trusted: bool = False
    failures: tuple[str, ...] = ()
    generator: str | None = None
    source_types: tuple[str, ...] = ()
    record: DubRecord | None = None
    source: SourceState = "none"
    source_signer: str | None = None


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
