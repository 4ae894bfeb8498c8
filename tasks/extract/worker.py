"""What runs on a Dask worker: one file, in a child process of the worker, with its time and memory bounded."""

import atexit
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from schemas.errors import MediaRefusedError
from schemas.policy import Policy
from schemas.reasons import FileReason
from schemas.records import RawFile
from schemas.settings import Settings
from tasks.extract.isolation import Isolated, KilledFromOutsideError, Named
from tasks.extract.job import Analysis, Job
from tasks.extract.scratch import scratch
from tasks.media.locate import disk_trouble, fingerprint, localise

_PROBE_LIMIT_S = 60
_LEAST_BYTES_PER_S = 2000
"""No real footage is smaller; a header that claims more seconds than this allows does not get more time."""

# by name: only the child loads decoders and models, so a worker stays small and starts at once
_ANALYSE = Named("tasks.extract.analyse:analyse")
_MEDIA_SECONDS = Named("tasks.extract.analyse:media_seconds")
_LOAD = Named("tasks.extract.analyse:load")


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """One job done: what came out, or why nothing did."""

    job: Job
    analysis: Analysis | None
    refusal: MediaRefusedError | None
    seconds: float


@cache
def _child(memory_limit_gib: float, thread: int) -> Isolated:
    """The one child of a thread of this worker process. People start workers with several threads."""
    child = Isolated(memory_limit_gib)
    atexit.register(child.close)
    return child


def work_on(job: Job, settings: Settings, policy: Policy) -> Finished:
    """Analyse one file. What goes wrong with the file is in the result.

    Raises: HeterodubError - what goes wrong with the run, such as missing weights.
    """
    started = time.monotonic()
    refusal: MediaRefusedError | None = None
    for _ in range(settings.guards.attempts):
        try:
            return Finished(job, _analysed(job, settings, policy), None, time.monotonic() - started)
        except KilledFromOutsideError as killed:
            refusal = MediaRefusedError(killed.reason, killed.detail)
        except MediaRefusedError as told:
            refusal = told
            break
    return Finished(job, None, refusal, time.monotonic() - started)


def _analysed(job: Job, settings: Settings, policy: Policy) -> Analysis:
    child = _child(settings.guards.memory_limit_gib, threading.get_ident())
    with _disk_as_refusal():
        length_s = child.run(_MEDIA_SECONDS, job.uri, settings, time_limit_s=_PROBE_LIMIT_S)
        length_s = min(length_s, job.size_bytes / _LEAST_BYTES_PER_S)
        limit_s = settings.guards.time_limit_s + settings.guards.time_limit_factor * length_s
        analysis: Analysis = child.run(_ANALYSE, job, settings, policy, time_limit_s=limit_s)
    return analysis


def identify(raw: RawFile, settings: Settings) -> str | MediaRefusedError:
    """The sha256 of a file's bytes, or why it cannot be read. Meanwhile the child loads what it will need."""
    _child(settings.guards.memory_limit_gib, threading.get_ident()).prepare(_LOAD, settings)
    try:
        with scratch() as folder, localise(raw.uri, folder) as path:
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
