"""Jobs of dubbing: one, or those of a manifest. A bad one costs only itself."""

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from schemas.dubbing import DubJob
from schemas.errors import HeterodubError, SourceError
from schemas.problems import describe
from schemas.settings import Settings
from tasks.dubbing.dub import Dubbed, dub
from tasks.dubbing.models import load_models
from tasks.dubbing.watching import DubWatcher
from tasks.faces.backend import open_backend
from tasks.journal.recording import Counts

_PATHS: Final = ("video", "speech", "out", "appearance_from")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: what was dubbed, or why nothing was."""

    job: DubJob
    dubbed: Dubbed | None
    error: str | None

    def summary(self) -> dict[str, Any]:
        """Ready for JSON."""
        told = {} if self.dubbed is None else self.dubbed.summary()
        return {"video": self.job.video, "speech": self.job.speech, "out": self.job.out, "error": self.error} | told


def read_jobs(manifest: Path) -> list[DubJob]:
    """The jobs of a CSV manifest: columns video, speech, out and, where wanted, face, length, appearance_from.

    Relative paths are relative to the manifest.

    Raises: SourceError - it cannot be read, a column is missing or unknown, a value is bad, or two jobs write one file.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"manifest {manifest}: {error}") from error
    jobs: list[DubJob] = []
    writers: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        given = {name: _placed(manifest, name, value) for name, value in row.items() if value not in ("", None)}
        try:
            job = DubJob.model_validate(given)
        except ValidationError as error:
            raise SourceError(f"manifest {manifest}: row {number}: {describe(error)}") from error
        if (earlier := writers.setdefault(job.out, number)) != number:
            raise SourceError(f"manifest {manifest}: rows {earlier} and {number} both write {job.out}")
        jobs.append(job)
    if not jobs:
        raise SourceError(f"manifest {manifest}: it names no job")
    return jobs


def _placed(manifest: Path, name: Any, value: Any) -> Any:
    if name not in _PATHS or "://" in value or Path(value).is_absolute():
        return value
    return str(manifest.absolute().parent / value)


def dub_counts(told: Sequence[Mapping[str, Any]]) -> Counts:
    """What `metrics` keeps of jobs, by their summaries."""
    seconds, failed = sum(one.get("seconds", 0.0) for one in told), sum(one["error"] is not None for one in told)
    return Counts(files=len(told), media_s=seconds, errors=failed)


def dub_jobs(
    jobs: Sequence[DubJob], generator: str, translator: str, settings: Settings, watcher: DubWatcher
) -> list[Outcome]:
    """Dub every job, in order. What goes wrong with one is its outcome; what goes wrong with the models is raised.

    Raises: ModelFileError, TrackingError, WorkspaceError, WeightsMissingError - before the first job.
    """
    backend = open_backend(settings)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        models = load_models(settings, generator, translator, backend, Path(scratch))
    outcomes = []
    for number, job in enumerate(jobs, start=1):
        watcher.job(number, len(jobs), job.video)
        try:
            outcomes.append(Outcome(job, dub(job, models, backend, settings, watcher), None))
        except HeterodubError as error:
            outcomes.append(Outcome(job, None, str(error)))
        except Exception as error:  # noqa: BLE001 - a video that no one thought of must not cost the others
            outcomes.append(Outcome(job, None, f"{job.video}: {type(error).__name__}: {error}"))
    return outcomes
