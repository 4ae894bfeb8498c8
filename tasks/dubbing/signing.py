"""Signing of a rendered dub. The child in the sandbox reads and writes files; the private key stays in its parent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from heterodub.model.checksums import file_hash
from heterodub.schemas.cards import WEIGHTS
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.provenance import SIGNABLE, ProvenanceSettings
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.jobs import Dubbed, ModelPaths, own_version, speeches_of, uri_of
from heterodub.tasks.ingestion.child_process import FunctionName
from heterodub.tasks.media.paths import content_of
from heterodub.tasks.provenance.certificate import Signer
from heterodub.tasks.provenance.manifest import DubRecord, ModelMark

_BEGIN: Final = FunctionName("heterodub.tasks.provenance.signing:begin")
_FINISH: Final = FunctionName("heterodub.tasks.provenance.signing:finish")


def sign_dub(
    ask: Callable[..., Any], job: DubJob, record: DubRecord, rendered: Path, signed: Path, signer: Signer
) -> tuple[str, ...]:
    """Write the signed copy of a rendered file; returns notes for people. ask: calls a function in the sandbox.

    Raises: SigningError - it cannot be signed. MediaRefusedError - the source cannot be read, or it killed the child.
    """
    source = uri_of(job.video)
    claim: bytes = ask(_BEGIN, rendered, signed, record, signer.certificate, source, media=[source], returns=bytes)
    notes: tuple[str, ...] = ask(_FINISH, signer.sign(claim), returns=tuple[str, ...])
    return notes


def dub_record(job: DubJob, models: ModelPaths, dubbed: Dubbed, settings: Settings) -> DubRecord:
    """Return the record of a dub. Files on other machines are fetched.

    Raises: MediaRefusedError - an input cannot be read. OSError - a model cannot.
    """

    def sha256(location: str) -> str:
        return content_of(uri_of(location), settings.limits.web_origins)

    return DubRecord(
        version=own_version(),
        video=sha256(job.video),
        speeches=tuple(map(sha256, speeches_of(job))),
        appearance=sha256(job.appearance_from) if job.appearance_from else None,
        generator=ModelMark(dubbed.generator, _weights(models.generator)),
        translator=ModelMark(dubbed.translator, _weights(models.translator)),
        watermark=settings.provenance.watermark and dubbed.dubbed > 0,
        dubbed_frames=dubbed.dubbed,
        own_sound=job.turns is not None and job.keep_sound == "outside",
    )


def unsignable(job: DubJob, settings: ProvenanceSettings) -> Iterator[str]:
    """Yield why a job's output cannot be signed, where it is to be."""
    if settings.signs and Path(job.out).suffix.lower() == ".mkv":
        *others, last = SIGNABLE
        yield (
            f"{job.out} cannot be signed, for C2PA has no form for Matroska: use {', '.join(others)} or {last}, "
            "or pass --no-sign"
        )


def _weights(folder: Path | None) -> str | None:
    return None if folder is None else file_hash(folder / WEIGHTS)
