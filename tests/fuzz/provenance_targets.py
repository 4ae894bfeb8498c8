"""A signed film, damaged: verified, and taken as the source of a dub that is signed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.provenance.certificate import open_signer
from heterodub.tasks.provenance.findings import verified
from heterodub.tasks.provenance.manifest import DubRecord, ModelMark
from heterodub.tasks.provenance.signing import begin, finish
from heterodub.tasks.provenance.trial import write_trial_certificate
from tests.fuzz.target import FuzzTarget

_RECORD = DubRecord("1", "a" * 64, ("b" * 64,), None, ModelMark("g", None), ModelMark("warp", None), False, 10, False)


def provenance_targets(scratch: Path, write_film: Callable[[Path], object]) -> dict[str, FuzzTarget]:
    """Targets by name. write_film: writes a.mp4 into a folder."""
    scratch.mkdir(exist_ok=True)
    certificate, key = write_trial_certificate(scratch)
    signer = open_signer(ProvenanceSettings(certificate=certificate, private_key=key))
    assert signer is not None
    write_film(scratch)
    film, signed = scratch / "a.mp4", scratch / "signed.mp4"

    def sign(source: Path, out: Path) -> None:
        finish(signer.sign(begin(film, out, _RECORD, signer.certificate, str(source))))

    def dub(folder: Path) -> None:
        sign(folder / "signed.mp4", folder / "out.mp4")

    def make(folder: Path) -> None:
        shutil.copy(signed, folder / "signed.mp4")

    sign(film, signed)
    return {
        "signed film": FuzzTarget(make, lambda one: verified(str(one / "signed.mp4"), LimitSettings(), None)),
        "signed source": FuzzTarget(make, dub, "signed.mp4"),
    }
