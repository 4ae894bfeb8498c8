"""Jobs of dubbing: read from a manifest, the files they name, the models they take, and their outcomes.

Imports no decoder, so that processes which only start jobs stay light.
"""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from heterodub.schemas.acceptance import Acceptance
from heterodub.schemas.config.dubbing import OUTPUT_FORMATS, SYNTHETIC, DubJob
from heterodub.schemas.display import message_of
from heterodub.schemas.endings import ending_of_jobs, with_ending
from heterodub.schemas.errors import MediaRefusedError, SettingsError, SourceError
from heterodub.schemas.reasons import EXPLANATIONS, ClipReason, FileReason
from heterodub.schemas.toml import describe
from heterodub.tasks.dubbing.turns import place_of, read_turns, speech_files
from heterodub.tasks.media.paths import local_path, path_to_uri
from heterodub.tasks.monitoring.run_log import Counts

_PATHS: Final = ("video", "speech", "out", "appearance_from", "turns")

OF_SPEECH: Final[Mapping[FileReason | ClipReason, str]] = EXPLANATIONS | {
    FileReason.NOT_MEDIA: "neither a sound file nor a video with sound",
    FileReason.STILL_PICTURE: "a still picture, which has no sound",
    FileReason.NO_DECODABLE_FRAME: "none of its sound decodes",
}
"""Explanations of a refusal where sound is wanted."""


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """Paths of two models, and their names. translator: None for the warp, which lies nowhere. tunings: where what the
    translator learns of a video is kept; None: in the settings' workspace. notes: on the choice of the models.
    """

    generator: Path
    translator: Path | None
    names: tuple[str, str]
    tunings: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dubbed:
    """Result of a dubbing. covered: frames left as they are since something lies over the mouth; also passed through.
    kept: frames whose packets are the source's own. seconds_by: seconds by kernel. speech_cut_s: seconds of speech that
    did not fit at the end. notes: remarks for people. signed_by: name of the signer; None: not signed. acceptance:
    verdict on the file; None: it was not measured.
    """

    out: str
    frames: int
    dubbed: int
    seconds: float
    took_s: float
    seconds_by: dict[str, float]
    generator: str
    translator: str
    covered: int = 0
    kept: int = 0
    speech_cut_s: float = 0.0
    notes: tuple[str, ...] = ()
    signed_by: str | None = None
    acceptance: Acceptance | None = None

    @property
    def passed_through(self) -> int:
        """Frames of the output that are the source's own."""
        return self.frames - self.dubbed

    def summary(self) -> dict[str, Any]:
        """Return a dictionary ready for JSON, numbers rounded."""
        facts = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return facts | {
            "passed_through": self.passed_through,
            "realtime_factor": round(self.seconds / self.took_s, 3),
            "seconds_by": {kernel: round(spent, 3) for kernel, spent in self.seconds_by.items()},
            "notes": list(self.notes),
            "acceptance": None if self.acceptance is None else self.acceptance.summary(),
        }


@dataclass(frozen=True, slots=True)
class DubResult:
    """Outcome of a job: what was dubbed, or why nothing was. skipped: the output of an earlier run was kept."""

    job: DubJob
    dubbed: Dubbed | None
    error: str | None
    skipped: bool = False

    def summary(self) -> dict[str, Any]:
        """Return a dictionary ready for JSON."""
        speech = self.job.speech or self.job.turns
        job = {"video": self.job.video, "speech": speech, "out": self.job.out}
        result = {} if self.dubbed is None else self.dubbed.summary()
        return {**job, "error": self.error, "skipped": self.skipped, **result}


def summary_of(jobs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summarise all jobs, from their summaries. not_accepted: jobs whose file is there and has a shot that failed."""
    failed, skipped = sum(job["error"] is not None for job in jobs), sum(job["skipped"] for job in jobs)
    counts = {"jobs": len(jobs), "dubbed": len(jobs) - failed - skipped, "skipped": skipped, "failed": failed}
    not_accepted = sum((job.get("acceptance") or {}).get("state", "accepted") != "accepted" for job in jobs)
    ending = ending_of_jobs(len(jobs) - failed, failed + not_accepted)
    return with_ending({**counts, "not_accepted": not_accepted, "outcomes": list(jobs)}, ending)


def dub_counts(jobs: Sequence[Mapping[str, Any]]) -> Counts:
    """Count files, seconds of dubbed media and errors of jobs for `metrics`, from their summaries."""
    seconds = sum(job.get("seconds", 0.0) for job in jobs if not job["skipped"])
    return Counts(files=len(jobs), media_s=seconds, errors=sum(job["error"] is not None for job in jobs))


def job_of(fields: Mapping[str, Any]) -> DubJob:
    """Return a job with these fields. Raises: SettingsError - a value is bad; the text says which."""
    try:
        return DubJob.model_validate(dict(fields))
    except ValidationError as error:
        raise SettingsError(describe(error)) from error


def read_jobs(manifest: Path) -> list[DubJob]:
    """Read the jobs of a CSV manifest: columns video, out, speech or turns, and where wanted other fields of DubJob.

    Relative paths are relative to the manifest.

    Raises: SourceError - it cannot be read, a column is missing or unknown, a value is bad, or a job writes what
    another writes or any of them reads.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"manifest {manifest}: {message_of(error)}") from error
    jobs: list[DubJob] = []
    for number, row in enumerate(rows, start=1):
        values = {name: _placed(manifest, name, value) for name, value in row.items() if value not in ("", None)}
        try:
            jobs.append(DubJob.model_validate(values))
        except ValidationError as error:
            raise SourceError(f"manifest {manifest}: row {number}: {describe(error)}") from error
    if problem := _crossed_rows(jobs) if jobs else "it names no job":
        raise SourceError(f"manifest {manifest}: {problem}")
    return jobs


def _placed(manifest: Path, name: Any, value: Any) -> Any:
    """Place relative paths beside the manifest."""
    if name in ("speeches", "people"):
        pairs = [text.partition("=") for text in value.split(";")]
        return ";".join(f"{person}{sign}{_file_placed(manifest, given.strip())}" for person, sign, given in pairs)
    return _file_placed(manifest, value) if name in _PATHS else value


def _file_placed(manifest: Path, value: str) -> str:
    if not value or place_of(value) or "://" in value or Path(value).is_absolute():
        return value
    return str(manifest.absolute().parent / value)


def _crossed_rows(jobs: Sequence[DubJob]) -> str | None:
    """Return which two of a manifest's rows share a file that one of them writes; None where none do."""
    writers: dict[object, int] = {}
    for number, job in enumerate(jobs, start=1):
        if (earlier := writers.setdefault(identity(Path(job.out)), number)) != number:
            return f"rows {earlier} and {number} both write {job.out}"
    for number, job in enumerate(jobs, start=1):
        for path in local_inputs(job):
            writer = writers.get(identity(path), number)
            if writer != number:
                return f"row {writer} writes {path}, which row {number} reads; sources are never written to"
    return None


@contextmanager
def readable(location: str, explanations: Mapping[FileReason | ClipReason, str] = EXPLANATIONS) -> Iterator[None]:
    """Turn the refusal of a file into an error of the run.

    Raises: SourceError - in the place of MediaRefusedError.
    """
    try:
        yield
    except MediaRefusedError as error:
        explanation = explanations.get(error.reason, str(error.reason))
        raise SourceError(f"{location}: {explanation}" + (f" ({error.detail})" if error.detail else "")) from error


def output_faults(job: DubJob) -> Iterator[str]:
    """Yield the reasons why a job's output cannot be written under its name. Nothing is created or changed."""
    out = Path(job.out)
    if "://" in job.out:
        yield f"{job.out} is no local path: outputs are written to local disks"
        return
    if out.suffix.lower() not in OUTPUT_FORMATS:
        *others, last = OUTPUT_FORMATS
        yield f"{out} must end in {', '.join(others)} or {last}: H.264 and AAC are written, in these containers"
    if out.is_dir():
        yield f"{out} is a folder, not the name of a video to write"
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir():
        yield f"{above} is no folder that {out.name} could be written into"
    elif not os.access(above, os.W_OK | os.X_OK):
        yield f"{above} may not be written, so {out.name} cannot be"
    if any(identity(out) == identity(path) for path in local_inputs(job)):
        yield f"{out} is the source itself; sources are never written to"


def local_inputs(job: DubJob) -> list[Path]:
    """Inputs of a job that are on local disks."""
    paths = [local_path(location) if "://" in location else Path(location) for location in inputs_of(job)]
    return [path for path in paths if path is not None]


def inputs_of(job: DubJob) -> list[str]:
    """Paths and addresses that a job reads."""
    named = [job.video, job.speech, job.appearance_from, job.turns, *job.speeches.values(), *pictures_of(job).values()]
    return [location for location in named if location] + [file for file in speeches_of(job) if file not in named]


def speeches_of(job: DubJob) -> list[str]:
    """Sound files that a job speaks, each once."""
    if job.turns is None:
        return [job.speech] if job.speech else []
    with suppress(SourceError):  # which the checks of the job report
        return speech_files(read_turns(job), job.speeches)
    return list(job.speeches.values())


def pictures_of(job: DubJob) -> dict[str, str]:
    """Pictures of people, by their names, where a job names them instead of places."""
    return {name: given for name, given in job.people.items() if place_of(given) is None}


def rooted(job: DubJob) -> DubJob:
    """Return a job with absolute paths, for a process in another folder."""

    def placed(location: str) -> str:
        return location if "://" in location else str(Path(location).absolute())

    given = {name: getattr(job, name) for name in _PATHS}
    pictures = {name: placed(location) for name, location in pictures_of(job).items()}
    return job.model_copy(
        update={name: placed(location) for name, location in given.items() if location}
        | {"speeches": {name: placed(location) for name, location in job.speeches.items()}}
        | {"people": job.people | pictures}
    )


def uri_of(location: str) -> str:
    """Address of an input that is named by a path or an address."""
    return location if "://" in location else path_to_uri(Path(location))


def own_version() -> str:
    """Version of heterodub, for metadata and records."""
    try:
        return version("heterodub")
    except PackageNotFoundError:
        return "of a checkout"


def synthetic_comment(done: str) -> str:
    """Text for a file's metadata, by which ingest knows what was made. done: what, in words."""
    return f"synthetic: {done}; digitalSourceType={SYNTHETIC}; software=heterodub {own_version()}"


def identity(path: Path) -> object:
    """Key of a file that all its names share, links of either kind included, whether or not it exists yet."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
