"""Records of finished jobs, so that a manifest that is given again resumes: `.OUT.heterodub.json` beside each output.

A record holds a key of everything that the output follows from, and the output's own checksum; no path or address, for
it lies beside a file that may be passed on.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from heterodub.model.checksums import file_hash
from heterodub.model.files import write_atomic
from heterodub.schemas.acceptance import load_acceptance_policy
from heterodub.schemas.cards import CARD, DISCRIMINATORS, WEIGHTS
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.tasks.dubbing.jobs import Dubbed, ModelPaths, inputs_of, own_version, pictures_of, uri_of
from heterodub.tasks.evaluation.acceptance_reports import verdict_fits
from heterodub.tasks.media.paths import content_of, fingerprint, open_regular
from heterodub.tasks.provenance.certificate import certificate_hash

_MOST_BYTES: Final = 16 << 20
"""Of a record: its verdict has 700 bytes for each shot of a film."""

_SPEED: Final = {"silence_s", "chunk_frames", "kept_film_mib", "workers", "accept"}
"""Settings of dubbing that change no picture, and the name of a policy whose content counts."""


@dataclass(frozen=True, slots=True)
class FinishedDub:
    """Record of a finished job. key: see dub_key. sha256: of its output."""

    key: str
    sha256: str
    dubbed: Dubbed


_RECORD: Final = TypeAdapter(FinishedDub)


def dub_key(job: DubJob, models: ModelPaths, settings: Settings) -> str:
    """Return the sha256, in hex, of all that a job's output follows from: the bytes of its inputs and of the models,
    what the job asks for, the settings of dubbing, its marks and the version of heterodub. Files on
    other machines are fetched.

    Raises: MediaRefusedError - an input cannot be read. OSError - a model or the certificate cannot. SettingsError -
    the policy cannot.
    """
    settings = Settings.model_validate(settings.model_dump())  # a default of 25 is 25.0, as where it is written down
    folders = [folder for folder in (models.generator, models.translator) if folder is not None]
    weights = [folder / name for folder in folders for name in (CARD, WEIGHTS, DISCRIMINATORS)]
    sections = {"dub": settings.dub.model_dump(mode="json", exclude=_SPEED)}
    if job.finetune is not None:
        sections |= {name: getattr(settings, name).model_dump(mode="json") for name in ("stage2", "weights")}
    people = job.people | dict.fromkeys(pictures_of(job), None)  # a picture counts by its bytes, as a speech does
    facts = {
        "inputs": [content_of(uri_of(name), settings.limits.web_origins) for name in inputs_of(job)],
        "asks": job.model_dump(mode="json", exclude={"video", "speech", "out", "turns", "speeches", "people"})
        | {"speeches": list(job.speeches), "people": [[name, given] for name, given in people.items()]},
        "container": Path(job.out).suffix.lower(),
        "models": [models.names, [file_hash(path) for path in weights if path.is_file()]],
        "settings": [
            settings.backend,
            settings.clips.model_dump(mode="json"),
            settings.limits.max_duration_s,
            sections,
        ],
        "marks": [certificate_hash(settings.provenance), settings.provenance.watermark],
        "acceptance": load_acceptance_policy(settings.dub.accept).hash if settings.dub.measure else None,
        "version": own_version(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def record_finished(out: Path, key: str, dubbed: Dubbed) -> None:
    """Write the record of a finished job. One that cannot be written costs a further dubbing, not this one."""
    with suppress(OSError, MediaRefusedError):
        record = FinishedDub(key, fingerprint(out), replace(dubbed, out=""))
        write_atomic(_record_of(out), _RECORD.dump_json(record))


def finished(out: Path, key: str) -> Dubbed | None:
    """Return the earlier result of a job, if its output and its verdict are there, belong together, and the same would
    be made again.
    """
    with suppress(OSError, ValueError, MediaRefusedError):  # pydantic's is a ValueError
        with open_regular(_record_of(out)) as file:
            record = _RECORD.validate_json(file.read(_MOST_BYTES))
        is_intact = record.key == key and record.sha256 == fingerprint(out)
        if is_intact and verdict_fits(out, record.dubbed, record.sha256):
            return replace(record.dubbed, out=str(out))
    return None


def _record_of(out: Path) -> Path:
    return out.with_name(f".{out.name[:200]}.heterodub.json")
