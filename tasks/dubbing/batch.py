"""Batches of dubbing jobs: one, or those of a manifest. A job that fails does not stop the others."""

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from model.files import clear_partials
from schemas.config.dubbing import DubJob
from schemas.config.settings import Settings
from schemas.endings import ending_of_jobs, with_ending
from schemas.errors import HeterodubError, SourceError
from schemas.problems import describe
from tasks.dubbing.checks import crossed_rows, find_faults
from tasks.dubbing.dubber import Dubber
from tasks.dubbing.outcomes import Dubbed, DubResult, readable
from tasks.monitoring.progress import ProgressSink, TitledSink
from tasks.monitoring.run_log import Counts

if TYPE_CHECKING:
    from model.syncnet.scorer import SyncScorer
    from tasks.evaluation.dubbing import DubScores

_PATHS: Final = ("video", "speech", "out", "appearance_from")


def read_jobs(manifest: Path) -> list[DubJob]:
    """Read the jobs of a CSV manifest: columns video, speech, out, and where wanted the other fields of DubJob.

    Relative paths are relative to the manifest.

    Raises: SourceError - it cannot be read, a column is missing or unknown, a value is bad, or a job writes what
    another writes or any of them reads.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"manifest {manifest}: {error}") from error
    jobs: list[DubJob] = []
    for number, row in enumerate(rows, start=1):
        given = {name: _placed(manifest, name, value) for name, value in row.items() if value not in ("", None)}
        try:
            jobs.append(DubJob.model_validate(given))
        except ValidationError as error:
            raise SourceError(f"manifest {manifest}: row {number}: {describe(error)}") from error
    if not jobs:
        raise SourceError(f"manifest {manifest}: it names no job")
    if crossed := crossed_rows(jobs):
        raise SourceError(f"manifest {manifest}: {crossed}")
    return jobs


def _placed(manifest: Path, name: Any, value: Any) -> Any:
    if name not in _PATHS or "://" in value or Path(value).is_absolute():
        return value
    return str(manifest.absolute().parent / value)


def dub_counts(jobs: Sequence[Mapping[str, Any]]) -> Counts:
    """Count files, seconds of media and errors of jobs for `metrics`, from their summaries."""
    seconds, failed = sum(one.get("seconds", 0.0) for one in jobs), sum(one["error"] is not None for one in jobs)
    return Counts(files=len(jobs), media_s=seconds, errors=failed)


def summary_of(jobs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summarise all jobs, from their summaries."""
    failed = sum(one["error"] is not None for one in jobs)
    dubbed = len(jobs) - failed
    counts = {"jobs": len(jobs), "dubbed": dubbed, "failed": failed, "outcomes": list(jobs)}
    return with_ending(counts, ending_of_jobs(dubbed, failed))


def dub_jobs(
    jobs: Sequence[DubJob], generator: str, translator: str, settings: Settings, watcher: ProgressSink
) -> list[DubResult]:
    """Dub every job, in order, in a child process. What goes wrong with one, a crash of its decoder or a hang too, is
    its outcome; what goes wrong with the models is raised. All are checked before the first is worked on, and those
    that cannot be done are not tried.

    Raises: ModelFileError, TrackingError, WorkspaceError, WeightsMissingError - before the first job. DubbingError -
    opening the models killed the child.
    """
    tuned = any(job.finetune is not None for job in jobs)
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
        closing(Dubber(settings, (generator, translator), scratch, tuned)) as dubber,
    ):
        faults = find_faults(jobs, dubber.look, settings)
        if len(faults) == len(jobs):
            return [DubResult(job, None, faults[place]) for place, job in enumerate(jobs)]
        found = dubber.find(generator, translator)
        outcomes = []
        for place, job in enumerate(jobs):
            if place in faults:
                outcomes.append(DubResult(job, None, faults[place]))
                continue
            outcomes.append(_outcome(job, partial(dubber.dub, job, found, _titled(watcher, jobs, place))))
    return outcomes


def check_jobs(jobs: Sequence[DubJob], settings: Settings, written: bool = True) -> dict[int, str]:
    """Say what is wrong with each job that cannot be done, by its place; see checks.find_faults."""
    with closing(Dubber(settings)) as dubber:
        return find_faults(jobs, partial(dubber.look, written=written), settings, written)


def judge_jobs(
    jobs: Sequence[DubJob],
    generator: str,
    translator: str,
    settings: Settings,
    scorer: "SyncScorer",
    watcher: ProgressSink,
) -> "DubScores":
    """Judge the jobs' finished files (tasks/evaluation/dubbing.py), in a child process, whose death costs one job its
    scores.

    Raises: ModelFileError, TrackingError, WorkspaceError, WeightsMissingError, DubbingError - as dub_jobs.
    """
    from tasks.evaluation.dubbing import DubScores, merged

    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
        closing(Dubber(settings, (generator, translator), scratch)) as dubber,
    ):
        found, scores = dubber.find(generator, translator), []
        for place, job in enumerate(jobs):
            try:
                with readable(job.video):
                    scores.append(dubber.judge(job, found, scorer, _titled(watcher, jobs, place)))
            except HeterodubError as error:
                scores.append(DubScores(*found.names, (), {job.video: str(error)}, {}))
    return merged(scores)


def _titled(watcher: ProgressSink, jobs: Sequence[DubJob], place: int) -> ProgressSink:
    """Return the sink for the phases of one job; of several, each is named."""
    return TitledSink(watcher, f"{place + 1}/{len(jobs)} {jobs[place].video}: ") if len(jobs) > 1 else watcher


def _outcome(job: DubJob, work: Callable[[], Dubbed]) -> DubResult:
    try:
        with readable(job.video):
            return DubResult(job, work(), None)
    except HeterodubError as error:
        message = str(error)
    except Exception as error:  # noqa: BLE001 - a video that no one thought of must not cost the others
        message = f"{job.video}: {error}"
    clear_partials(Path(job.out))  # which a child that died has left
    return DubResult(job, None, message)
