"""Code of a Dask worker: a file at a time, in a child process of the worker, with its time and memory bounded."""

import atexit
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import HeterodubError, MediaRefusedError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import WHOLE_FILM, FilmSegment, RawFile
from heterodub.tasks.ingestion.catalog import RETRIED
from heterodub.tasks.ingestion.child import OpenFiles
from heterodub.tasks.ingestion.child_process import ChildProcess, FunctionName, KilledFromOutsideError
from heterodub.tasks.ingestion.copies import CopyPlace, forget_copies
from heterodub.tasks.ingestion.decoder_process import handed_to_write
from heterodub.tasks.ingestion.job import Analysis, Cutting, FileJob, Identification, require_own
from heterodub.tasks.ingestion.sandbox import Sandbox, require
from heterodub.tasks.ingestion.scratch import SharedScratch
from heterodub.tasks.media.paths import disk_trouble
from heterodub.tasks.stores.parts import PartFile, keep_part, unfinished_parts
from heterodub.tasks.stores.workspace import Workspace

Result = TypeVar("Result")

_LOOK_LIMIT_S = 60.0
"""For what does not grow with the file: a process that starts, a store that answers, a header."""
_LEAST_BYTES_PER_S = 2000
"""No real footage is smaller; a header that claims more seconds than this allows does not get more time."""

_MOST_MESSAGES = 1000
"""A file says something once for each of its streams of pictures; one that has taken the child over, for ever."""

# by name: only the child loads decoders and models, so a worker stays small and starts at once
_ANALYSE = FunctionName("heterodub.tasks.ingestion.process_file:analyse")
_HASH = FunctionName("heterodub.tasks.ingestion.copies:hash_and_keep")
_OPEN = FunctionName("heterodub.tasks.ingestion.copies:open_media")
_CUT = FunctionName("heterodub.tasks.ingestion.cutting:cut_into_segments")
_LOAD = FunctionName("heterodub.tasks.ingestion.process_file:load")


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """Result of one job, or why there is none. began_ns, ended_ns: by the worker's clock, since 1970; 0: not known."""

    job: FileJob
    analysis: Analysis | None
    refusal: MediaRefusedError | None
    began_ns: int = 0
    ended_ns: int = 0


Task = Identification | Cutting | FileJob
TaskResult = list[str | MediaRefusedError] | tuple[FilmSegment, ...] | FileResult


@cache
def _child(memory_limit_gib: float, sandbox: Sandbox | None, thread: int) -> ChildProcess:
    """The one child of a thread of this worker process with this sandbox. Some start workers with several threads."""
    child = ChildProcess(memory_limit_gib, sandbox)
    atexit.register(child.close)
    return child


@cache
def _shared_scratch() -> SharedScratch | None:
    """The folder of this machine's copies; None where another user keeps its name."""
    try:
        return SharedScratch()
    except OSError:
        return None


def _copy_place(limits: LimitSettings) -> CopyPlace | None:
    scratch = _shared_scratch() if limits.kept_copies_gib else None
    return None if scratch is None else CopyPlace(str(scratch.path), int(limits.kept_copies_gib * 2**30))


def forget_machine_copies() -> None:
    """Remove the copies of remote files that this machine has."""
    if (scratch := _shared_scratch()) is not None:
        forget_copies(scratch.path)


def _children(settings: Settings) -> tuple[ChildProcess, ChildProcess]:
    """The children of this thread: that which decodes, and that which identifies, and opens what the other may not.

    Raises: SandboxError - the settings ask for more than this machine offers.
    """
    limits, thread = settings.limits, threading.get_ident()
    require(limits.require_sandbox)
    sandbox = Sandbox(settings.weights.paths, accelerators=settings.backend == "face_alignment")
    return _child(limits.memory_limit_gib, sandbox, thread), _child(limits.memory_limit_gib, None, thread)


class _Patience:
    """Time limits of each step with a file: fetching it by its size, reading it once by its size, too, its header
    always the same, work by its length, which is not known before.
    """

    def __init__(self, size_bytes: int, limits: LimitSettings) -> None:
        self._size_bytes, self._limits = size_bytes, limits
        self.fetch_s = _LOOK_LIMIT_S + size_bytes / limits.least_fetch_bytes_per_s
        self._messages = 0

    def extend(self, length_s: float | None) -> float:
        """Seconds from here on, by what `analyse` announces: None when the file was read."""
        self._messages += 1
        if self._messages > _MOST_MESSAGES:
            return 0.0
        if length_s is None:
            return _LOOK_LIMIT_S
        length_s = max(0.0, min(self._size_bytes / _LEAST_BYTES_PER_S, length_s))  # in this order for a NaN, too
        return self._limits.time_limit_s + self._limits.time_limit_factor * length_s


def work_on(job: FileJob, settings: Settings, policy: Policy) -> FileResult:
    """Analyse one file. What goes wrong with the file is in the result.

    Raises: HeterodubError - what goes wrong with the run, such as missing weights.
    """
    began_ns = time.time_ns()
    try:
        analysis = _unless_killed(partial(_analysed, job, settings, policy), settings.limits.attempts)
    except MediaRefusedError as refusal:
        return FileResult(job, None, refusal, began_ns, time.time_ns())
    return FileResult(job, analysis, None, began_ns, time.time_ns())


def do(task: Task, settings: Settings, policy: Policy) -> TaskResult:
    """Do a task of an ingest: identify files, cut a film, or analyse a file or a segment of one.

    Raises: as work_on.
    """
    match task:
        case Identification():
            return identify_each(task.files, settings)
        case Cutting():
            return cut(task, settings)
        case FileJob():
            return work_on(task, settings, policy)


def cut(task: Cutting, settings: Settings) -> tuple[FilmSegment, ...]:
    """Cut a film into segments. One that is refused is left whole: its analysis says why."""
    try:
        return _unless_killed(partial(_segments, task, settings), settings.limits.attempts)
    except MediaRefusedError:
        return (WHOLE_FILM,)


def _segments(task: Cutting, settings: Settings) -> tuple[FilmSegment, ...]:
    with _opened(task.job, settings, is_needed_again=True) as (decoder, media, patience), _as_refusal():
        segments: tuple[FilmSegment, ...] = decoder.run(
            _CUT,
            task,
            settings,
            files=media,
            time_limit_s=patience.fetch_s,
            on_message=patience.extend,
            message_type=float | None,
            returns=tuple[FilmSegment, ...],
        )
        return segments


def identify(raw: RawFile, settings: Settings) -> str | MediaRefusedError:
    """The sha256 of a file's bytes, or why it cannot be read. Meanwhile another child loads what it will need."""
    limits = settings.limits
    limit_s = _Patience(raw.size_bytes, limits).fetch_s
    decoder, reader = _children(settings)
    decoder.prepare(_LOAD, settings)
    arguments = (_HASH, raw.uri, limits.web_origins, raw.within, _copy_place(limits))
    read = partial(reader.run, *arguments, time_limit_s=limit_s, returns=str)
    try:
        with _as_refusal():
            return str(_unless_killed(read, settings.limits.attempts))
    except MediaRefusedError as refusal:
        return _of_its_place(refusal)


def identify_each(bundle: Sequence[RawFile], settings: Settings) -> list[str | MediaRefusedError]:
    """`identify` for several files, one after the other."""
    return [identify(raw, settings) for raw in bundle]


def _analysed(job: FileJob, settings: Settings, policy: Policy) -> Analysis:
    workspace = Workspace.open(settings.workspace).of_line(job.line)
    opened = _opened(job, settings, job.segment != WHOLE_FILM)
    with opened as (decoder, media, patience), _as_refusal(), unfinished_parts(workspace) as outgoing:
        with closing(handed_to_write(outgoing.values())) as targets:
            analysis: Analysis = decoder.run(
                _ANALYSE,
                job,
                settings,
                policy,
                outgoing,
                files=OpenFiles(media | targets),
                time_limit_s=patience.fetch_s,
                on_message=patience.extend,
                message_type=float | None,
                returns=Analysis,
            )
        require_own(analysis, job)
        return replace(analysis, parts=keep_parts(job, settings, workspace, outgoing))


@contextmanager
def _opened(
    job: FileJob, settings: Settings, is_needed_again: bool
) -> Iterator[tuple[ChildProcess, OpenFiles, _Patience]]:
    """The child that decodes, the job's file opened for it, and the time that it may take. is_needed_again: by other
    jobs than this one.

    Raises: MediaRefusedError - the file cannot be opened.
    """
    decoder, reader = _children(settings)
    limits = settings.limits
    patience = _Patience(job.size_bytes, limits)
    arguments = (_OPEN, job.uri, job.media_id, is_needed_again, limits.web_origins, _copy_place(limits))
    try:
        with _as_refusal():
            media: OpenFiles = reader.run(*arguments, time_limit_s=patience.fetch_s, returns=OpenFiles)
    except MediaRefusedError as refusal:
        raise _of_its_place(refusal) if refusal.reason is FileReason.TIMED_OUT else refusal from refusal
    with closing(media):
        yield decoder, media, patience


def keep_parts(
    job: FileJob, settings: Settings, workspace: Workspace, outgoing: Mapping[str, Path]
) -> dict[str, PartFile]:
    """Put the payload that `analyse` left in its place; by table.

    Raises: ValueError - it is not of this job. OSError, WorkspaceError - it cannot be stored.
    """
    parts = {
        table: keep_part(workspace, table, path, job.media_id, settings.extractor, job.suffix)
        for table, path in outgoing.items()
    }
    return {table: part for table, part in parts.items() if part is not None}


def _unless_killed(work: Callable[[], Result], attempts: int) -> Result:
    """Return what the work returns; retried while its process is killed from outside.

    Raises: MediaRefusedError - the work's own; or it was killed each time.
    """
    for _ in range(attempts - 1):
        with suppress(KilledFromOutsideError):
            return work()
    return work()


def _of_its_place(refusal: MediaRefusedError) -> MediaRefusedError:
    """Return the refusal of a file not opened yet: whatever it is, the file has no part in it, and is tried again."""
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
