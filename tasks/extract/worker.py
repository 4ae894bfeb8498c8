"""What runs on a Dask worker: a file at a time, in a child process of the worker, with its time and memory bounded."""

import atexit
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

from schemas.errors import HeterodubError, MediaRefusedError
from schemas.policy import Policy
from schemas.reasons import FileReason
from schemas.records import RawFile
from schemas.settings import GuardSettings, Settings
from tasks.extract.isolation import Isolated, KilledFromOutsideError, Named
from tasks.extract.job import Analysis, Job
from tasks.extract.ledger import RETRIED
from tasks.media.locate import disk_trouble

Result = TypeVar("Result")

_LOOK_LIMIT_S = 60.0
"""For what does not grow with the file: a process that starts, a store that answers, a header."""
_LEAST_BYTES_PER_S = 2000
"""No real footage is smaller; a header that claims more seconds than this allows does not get more time."""

# by name: only the child loads decoders and models, so a worker stays small and starts at once
_ANALYSE = Named("tasks.extract.analyse:analyse")
_CONTENT_OF = Named("tasks.media.locate:content_of")
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
    """The one child of a thread of this worker process that decodes. People start workers with several threads."""
    return _closed_at_exit(Isolated(memory_limit_gib))


@cache
def _reader(memory_limit_gib: float, thread: int) -> Isolated:
    """The child that identifies: another one, since that of `_child` loads its models meanwhile."""
    return _closed_at_exit(Isolated(memory_limit_gib))


def _closed_at_exit(child: Isolated) -> Isolated:
    atexit.register(child.close)
    return child


class _Patience:
    """How long each step with a file may take: fetching it by its size, reading it once by its size, too, its header
    always the same, work by its length.

    Until the file is here, its own length cannot be known, and what is late is the place where it lies.
    """

    def __init__(self, size_bytes: int, guards: GuardSettings) -> None:
        self._size_bytes, self._guards = size_bytes, guards
        self.fetch_s = _LOOK_LIMIT_S + size_bytes / guards.least_fetch_bytes_per_s
        self.is_here = False

    def hear(self, length_s: float | None) -> float:
        """Seconds from here on, by what `analyse` tells: None when the file is here, and again when it was read."""
        if not self.is_here:
            self.is_here = True
            return self.fetch_s
        if length_s is None:
            return _LOOK_LIMIT_S
        length_s = min(length_s, self._size_bytes / _LEAST_BYTES_PER_S)
        return self._guards.time_limit_s + self._guards.time_limit_factor * length_s


def work_on(job: Job, settings: Settings, policy: Policy) -> Finished:
    """Analyse one file. What goes wrong with the file is in the result.

    Raises: HeterodubError - what goes wrong with the run, such as missing weights.
    """
    started = time.monotonic()
    _reader(settings.guards.memory_limit_gib, threading.get_ident()).close()  # what it holds is better used here
    try:
        analysis = _unless_killed(partial(_analysed, job, settings, policy), settings.guards.attempts)
    except MediaRefusedError as refusal:
        return Finished(job, None, refusal, time.monotonic() - started)
    return Finished(job, analysis, None, time.monotonic() - started)


def identify(raw: RawFile, settings: Settings) -> str | MediaRefusedError:
    """The sha256 of a file's bytes, or why it cannot be read. Meanwhile another child loads what it will need."""
    guards, thread = settings.guards, threading.get_ident()
    _child(guards.memory_limit_gib, thread).prepare(_LOAD, settings)
    read = partial(
        _reader(guards.memory_limit_gib, thread).run,
        _CONTENT_OF,
        raw.uri,
        guards.web_origins,
        time_limit_s=_Patience(raw.size_bytes, guards).fetch_s,
    )
    try:
        with _as_refusal():
            return str(_unless_killed(read, guards.attempts))
    except MediaRefusedError as refusal:
        return _of_its_place(refusal)


def identify_each(bundle: Sequence[RawFile], settings: Settings) -> list[str | MediaRefusedError]:
    """`identify` for several files, one after the other."""
    return [identify(raw, settings) for raw in bundle]


def _analysed(job: Job, settings: Settings, policy: Policy) -> Analysis:
    child = _child(settings.guards.memory_limit_gib, threading.get_ident())
    patience = _Patience(job.size_bytes, settings.guards)
    try:
        with _as_refusal():
            analysis: Analysis = child.run(
                _ANALYSE, job, settings, policy, time_limit_s=patience.fetch_s, hear=patience.hear
            )
    except MediaRefusedError as refusal:
        if refusal.reason is FileReason.TIMED_OUT and not patience.is_here:
            raise _of_its_place(refusal) from refusal
        raise
    return analysis


def _unless_killed(work: Callable[[], Result], attempts: int) -> Result:
    """What the work returns; tried anew while its process is killed from outside.

    Raises: MediaRefusedError - the work's own; or it was killed each time.
    """
    for _ in range(attempts - 1):
        with suppress(KilledFromOutsideError):
            return work()
    return work()


def _of_its_place(refusal: MediaRefusedError) -> MediaRefusedError:
    """The refusal of a file that was not opened yet: whatever it is, the file has no part in it, and is tried again."""
    if refusal.reason in RETRIED:
        return refusal
    return MediaRefusedError(FileReason.UNREADABLE, f"while it was fetched: {refusal}")


@contextmanager
def _as_refusal() -> Iterator[None]:
    """Turn every error that is none of ours into the file's own: one file must not end the run over thousands.

    Raises: MediaRefusedError - in place of them. HeterodubError - as it is: it is about the run.
    """
    try:
        yield
    except (MediaRefusedError, HeterodubError):
        raise
    except OSError as error:
        refusal = disk_trouble(error) or MediaRefusedError(FileReason.INTERNAL_ERROR, str(error))
        raise refusal from error
    except Exception as error:  # the child's own come as a RuntimeError, by name and text
        words = str(error) if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
        raise MediaRefusedError(FileReason.INTERNAL_ERROR, words) from error
