"""What runs on a Dask worker: one file, in a child process of the worker, with its time and memory bounded."""

import atexit
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from schemas.errors import MediaRefusedError
from schemas.policy import Policy
from schemas.reasons import FileReason
from schemas.records import RawFile
from schemas.settings import Settings
from tasks.extract.analyse import Analysis, Job, analyse
from tasks.extract.isolation import Isolated
from tasks.media.locate import disk_trouble, fingerprint, localise
from tasks.media.probe import probe
from tasks.media.sniff import sniff

_PROBE_LIMIT_S = 60
_LEAST_BYTES_PER_S = 2000
"""No real footage is smaller; a header that claims more seconds than this allows does not get more time."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """One job done: what came out, or why nothing did."""

    job: Job
    analysis: Analysis | None
    refusal: MediaRefusedError | None
    seconds: float


@cache
def _child(memory_limit_gib: float) -> Isolated:
    """The one child of this worker process."""
    child = Isolated(memory_limit_gib)
    atexit.register(child.close)
    return child


def work_on(job: Job, settings: Settings, policy: Policy) -> Finished:
    """Analyse one file. What goes wrong with the file is in the result.

    Raises: HeterodubError - what goes wrong with the run, such as missing weights.
    """
    started = time.monotonic()
    child = _child(settings.guards.memory_limit_gib)
    try:
        with _disk_as_refusal():
            length_s = child.run(media_seconds, job.uri, settings, time_limit_s=_PROBE_LIMIT_S)
            length_s = min(length_s, job.size_bytes / _LEAST_BYTES_PER_S)
            limit_s = settings.guards.time_limit_s + settings.guards.time_limit_factor * length_s
            analysis = child.run(analyse, job, settings, policy, time_limit_s=limit_s)
    except MediaRefusedError as refusal:
        return Finished(job, None, refusal, time.monotonic() - started)
    return Finished(job, analysis, None, time.monotonic() - started)


def media_seconds(uri: str, settings: Settings) -> float:
    """Length of a file by its header, 0 when that does not say; runs in the child.

    Raises: MediaRefusedError - the file is refused before it is decoded.
    """
    if "://" in uri and not uri.startswith("file://"):
        return settings.guards.max_duration_s  # fetching it twice to look at its header would cost more
    with TemporaryDirectory(prefix="heterodub-") as scratch, localise(uri, Path(scratch)) as path:
        return probe(path, sniff(path), settings.guards).duration_s or 0.0


def identify(raw: RawFile) -> str | MediaRefusedError:
    """The sha256 of a file's bytes, or why it cannot be read."""
    try:
        with TemporaryDirectory(prefix="heterodub-") as scratch, localise(raw.uri, Path(scratch)) as path:
            return fingerprint(path)
    except MediaRefusedError as refusal:
        return refusal


@contextmanager
def _disk_as_refusal() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        refusal = disk_trouble(error) or MediaRefusedError(FileReason.INTERNAL_ERROR, str(error))
        raise refusal from error
    except RuntimeError as error:  # the child's own unexpected error, by name and text
        raise MediaRefusedError(FileReason.INTERNAL_ERROR, str(error)) from error
