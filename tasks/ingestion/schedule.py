"""Order of an ingest's work: one stream of identifying, cutting and analysing, without a barrier anywhere.

Pure bookkeeping, which knows nothing of clusters, stores and clocks: the driver asks for tasks and brings results, and
the simulation (tests/bench/schedule.py) does the same. Rows do not depend on the order.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from typing import Final

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.records import WHOLE_FILM, FilmSegment, RawFile
from heterodub.tasks.ingestion.hashing import bundles
from heterodub.tasks.ingestion.job import Analysis, Cutting, FileJob, Identification
from heterodub.tasks.ingestion.segments import joined
from heterodub.tasks.ingestion.worker import FileResult, Task

AHEAD_FILES: Final = 8192
AHEAD_BYTES: Final = 64 * 2**30
"""So much waits to be analysed at most before more is identified, on few threads: little enough that a run over
terabytes has clips soon, and one that is killed has not read everything for nothing."""

AHEAD_FILES_PER_THREAD: Final = 64
AHEAD_BYTES_PER_THREAD: Final = 256 * 2**20
"""The same on many threads: clips of ten seconds for four minutes, as long as a segment of a film takes that is found
last."""

CUT_ABOVE_BYTES: Final = 16 * 2**20
"""Smaller files are not looked at for whether they are worth cutting: some minutes at the usual rates."""

LEAST_SEGMENT_S: Final = 180.0
MOST_SEGMENTS: Final = 12
"""Each reads the film's sound from its start, which costs some 3 % of the whole film: half as much on average."""


@dataclass(slots=True)
class ListedSlice:
    """Files that are decided on together, once all are identified: the answers so far."""

    files: Sequence[RawFile]
    answers: list[tuple[RawFile, str | MediaRefusedError]] = field(default_factory=list)
    waiting: int = 0

    @property
    def is_identified(self) -> bool:
        """True if every file that was to be read has its answer."""
        return len(self.answers) == self.waiting


@dataclass(slots=True)
class _CutFilm:
    """A film whose segments are being analysed: results by the segment's first frame."""

    job: FileJob
    segments: tuple[FilmSegment, ...]
    results: dict[int, FileResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FilmResult:
    """Result of a whole file: its analysis or refusal, and the analyses of its segments, which hold the parts; unused:
    those of segments that are no part of the result.
    """

    result: FileResult
    segments: tuple[Analysis, ...]
    unused: tuple[Analysis, ...] = ()


class Schedule(Iterator[Task]):
    """Tasks in the order in which they should begin. Runs dry while results are awaited, and may go on afterwards.

    slices: files that are decided on together. threads: of all workers.
    """

    def __init__(self, slices: Iterable[Sequence[RawFile]], threads: int) -> None:
        self._slices, self._threads = iter(slices), threads
        self._current: ListedSlice | None = None
        self._reading: deque[Identification] = deque()
        self._waiting: list[tuple[float, int, Task]] = []
        self._waiting_bytes = 0.0
        self._films: dict[str, _CutFilm] = {}
        self._numbers = count()

    def __next__(self) -> Task:
        """The next task. Raises: StopIteration - none, for now."""
        if not self._reading and self._current is None and self._has_room():
            self._open_slice()
        if self._reading:
            return self._reading.popleft()
        if not self._waiting:
            raise StopIteration
        size, _, task = heappop(self._waiting)
        self._waiting_bytes += size
        return task

    @property
    def waiting(self) -> int:
        """Number of tasks that wait to be given out."""
        return len(self._waiting) + len(self._reading)

    def identified(
        self, task: Identification, answers: Sequence[str | MediaRefusedError] | MediaRefusedError
    ) -> ListedSlice | None:
        """Add the answers of a task; return the slice when all of its files have theirs.

        A bundle that lost its worker each time is taken apart: by which of its files is not known.
        """
        current = self._current
        assert current is not None
        if isinstance(answers, MediaRefusedError) and len(task.files) > 1:
            self._reading.extendleft(Identification((raw,)) for raw in task.files)
            return None
        each = [answers] if isinstance(answers, MediaRefusedError) else answers
        current.answers.extend(zip(task.files, each, strict=True))
        return self._closed()

    def unread(self) -> ListedSlice | None:
        """Return the last slice if nothing of it is to be read, so that no result closes it."""
        return self._closed()

    def add(self, job: FileJob) -> None:
        """Add a content to be analysed: the largest first, a long film in segments."""
        if self._threads > 1 and job.size_bytes >= CUT_ABOVE_BYTES and job.admit is None:
            self._put(Cutting(job, min(MOST_SEGMENTS, self._threads), LEAST_SEGMENT_S), job.size_bytes)
        else:
            self._put(job, job.size_bytes)

    def cut(self, job: FileJob, segments: Sequence[FilmSegment]) -> None:
        """Add the segments of a film; one that was left whole is analysed as it is."""
        if len(segments) < 2:
            self._put(job, job.size_bytes)
            return
        self._films[job.media_id] = _CutFilm(job, tuple(segments))
        for segment in segments:
            name = f"{job.suffix}-{segment.first}-{segment.stop or 'end'}".lstrip("-")
            self._put(replace(job, segment=segment, suffix=name), job.size_bytes / len(segments))

    def analysed(self, job: FileJob, result: FileResult) -> FilmResult | None:
        """Add the result of a job; return that of the file when all of its segments have theirs."""
        if job.segment == WHOLE_FILM:
            return FilmResult(result, () if result.analysis is None else (result.analysis,))
        film = self._films[job.media_id]
        film.results[job.segment.first] = result
        if len(film.results) < len(film.segments):
            return None
        del self._films[job.media_id]
        return _whole(film)

    def _has_room(self) -> bool:
        most_files = max(AHEAD_FILES, AHEAD_FILES_PER_THREAD * self._threads)
        most_bytes = max(AHEAD_BYTES, AHEAD_BYTES_PER_THREAD * self._threads)
        return len(self._waiting) < most_files and self._waiting_bytes < most_bytes

    def _open_slice(self) -> None:
        """Open the next slice, with those behind it as long as nothing is to be read."""
        files, readable = list[RawFile](), list[RawFile]()
        while not readable and (more := next(self._slices, None)) is not None:
            files += more
            readable = [raw for raw in more if raw.refusal is None and raw.size_bytes]
        if files:
            self._current = ListedSlice(files, waiting=len(readable))
            self._reading.extend(map(Identification, bundles(readable, self._threads)))

    def _closed(self) -> ListedSlice | None:
        current = self._current
        if current is None or not current.is_identified:
            return None
        self._current = None
        return current

    def _put(self, task: Task, size_bytes: float) -> None:
        heappush(self._waiting, (-size_bytes, next(self._numbers), task))
        self._waiting_bytes += size_bytes


def name_of(task: Task) -> str:
    """Name of a task among those that wait or run."""
    match task:
        case Identification():
            return f"identify-{task.files[0].uri}"
        case Cutting():
            return f"cut-{task.job.media_id}"
        case FileJob():
            return f"{task.media_id}-{task.segment.first}"


def urgency(task: Task) -> float:
    """Urgency of a task among those that are given out: identifying comes first, since all else follows from it; then
    the largest files.
    """
    match task:
        case Identification():
            return float(2**62)
        case Cutting():
            return float(task.job.size_bytes)
        case FileJob():
            return float(task.size_bytes)


def _whole(film: _CutFilm) -> FilmResult:
    """Join the results of a film's segments. A film ends where it is damaged: what comes behind is not looked at."""
    results = [film.results[segment.first] for segment in film.segments]
    ends = (at for at, each in enumerate(results, 1) if each.analysis is None or each.analysis.outcome.error)
    used = results[: next(ends, len(results))]
    analyses = tuple(each.analysis for each in results if each.analysis is not None)
    refusal, kept = used[-1].refusal, len(used) if used[-1].analysis is not None else 0
    began_ns = min((each.began_ns for each in used if each.began_ns), default=0)
    whole = joined(analyses[:kept]) if kept else None
    result = FileResult(film.job, whole, refusal, began_ns, max(each.ended_ns for each in used))
    return FilmResult(result, analyses[:kept], analyses[kept:])
