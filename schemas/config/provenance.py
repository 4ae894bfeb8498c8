"""Settings of the marks on finished dubs: certificate, watermark, and whom `verify` trusts."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from .sections import Section

SIGNABLE: Final = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
"""Type by the end of an output's name, in any case, of what C2PA can sign; it has no form for Matroska."""


class ProvenanceSettings(Section):
    """Signing of dubs by C2PA, their watermark, and the trust in signers. A settings file that nobody named may not
    have this section.
    """

    certificate: Path | None = Field(
        None, description="PEM file of the operator's certificate, and of those above it, that dubs are signed with"
    )
    private_key: Path | None = Field(None, description="PEM file of the certificate's private key, not encrypted")
    sign: bool | None = Field(
        None,
        description="true: no dub is written unsigned; false: none is signed; unset: signed where there is a "
        "certificate",
    )
    watermark: bool = Field(
        False,
        description="mark the whole picture of dubbed frames invisibly; else nothing changes outside of the face",
    )
    trust_anchors: Path | None = Field(
        None, description="PEM file of the authorities whose signatures `verify` trusts; without one, it trusts none"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Require certificate and key together, and both where every dub is to be signed."""
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together: set both, or neither")
        if self.sign and self.certificate is None:
            raise ValueError("sign asks for a certificate and its private_key: set both")
        return self

    @property
    def signs(self) -> bool:
        """True if dubs are signed."""
        return self.certificate is not None and self.sign is not False
