"""The order of an ingest's work, and the films that are analysed in segments."""

from dataclasses import replace
from functools import partial

import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import WHOLE_FILM, FileOutcome, FilmSegment, RawFile
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.ingestion import schedule as scheduling
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.ingestion.job import Analysis, Cutting, FileJob, Identification
from heterodub.tasks.ingestion.schedule import CUT_ABOVE_BYTES, Schedule, name_of
from heterodub.tasks.ingestion.worker import FileResult

from . import executor_work as work

GIB = 2**30
SEGMENTS = (FilmSegment(0, 1500), FilmSegment(1500, 3000, 40, 50), FilmSegment(3000, None, 90, 100))


def listing(count: int, size_bytes: int = 1000, first: int = 0) -> list[RawFile]:
    return [RawFile(f"/footage/{number:05d}.mp4", size_bytes, "1") for number in range(first, first + count)]


def job(raw: RawFile) -> FileJob:
    return FileJob(raw.uri, f"sha of {raw.uri}", raw.size_bytes, "default", "file:x")


def identify(schedule: Schedule, task: Identification) -> None:
    """Answer a task, and have the files of a finished slice analysed."""
    finished = schedule.identified(task, [f"sha of {raw.uri}" for raw in task.files])
    for raw, _ in finished.answers if finished else ():
        schedule.add(job(raw))


def test_more_is_identified_while_files_are_analysed():
    """No barrier: all of the second slice is asked for before anything of the first was analysed."""
    schedule = Schedule([listing(3), listing(3, first=3)], 1)
    for task in [next(schedule) for _ in range(3)]:
        identify(schedule, task)
    kinds = [type(task).__name__ for task in schedule]
    assert kinds == ["Identification"] * 3 + ["FileJob"] * 3


def test_no_more_is_identified_than_may_wait(monkeypatch):
    monkeypatch.setattr(scheduling, "AHEAD_FILES", 2)
    monkeypatch.setattr(scheduling, "AHEAD_FILES_PER_THREAD", 2)
    schedule = Schedule([listing(3), listing(3, first=3)], 1)
    for task in [next(schedule) for _ in range(3)]:
        identify(schedule, task)
    assert [type(next(schedule)).__name__ for _ in range(3)] == ["FileJob", "FileJob", "Identification"]


def test_largest_files_begin_first():
    sizes = [5, 9 * GIB, 7, 8 * GIB, 6]
    schedule = Schedule([[RawFile(f"/{size}", size, "1") for size in sizes]], 1)
    for task in [next(schedule) for _ in sizes]:
        identify(schedule, task)
    assert [task.size_bytes for task in schedule] == sorted(sizes, reverse=True)


def test_slice_in_which_nothing_is_to_be_read_goes_with_the_next():
    empty = [replace(raw, size_bytes=0) for raw in listing(2)]
    schedule = Schedule([empty, listing(1, first=2)], 1)
    finished = schedule.identified(next(schedule), ["sha"])
    assert finished is not None
    assert len(finished.files) == 3
    alone = Schedule([empty], 1)
    assert list(alone) == []
    unread = alone.unread()
    assert unread is not None
    assert list(unread.files) == empty
    assert alone.unread() is None


@pytest.mark.parametrize(("count", "bad"), [(2000, 1234), (20, 7), (2000, None)], ids=["bundled", "alone", "none"])
def test_file_that_kills_its_worker_costs_its_neighbours_nothing(two_workers, count, bad):
    files = listing(count)
    killer = None if bad is None else files[bad]
    schedule, finished = Schedule([files], 2), None
    kernel = partial(work.names_of, bad=killer.uri if killer else "")
    for task, result in spread(two_workers, kernel, schedule, key=name_of):
        finished = schedule.identified(task, result) or finished
    assert finished is not None
    names = {raw.uri for raw, answer in finished.answers if isinstance(answer, str)}
    assert names == {raw.uri for raw in files if raw is not killer}
    refused = [(raw, answer.reason) for raw, answer in finished.answers if not isinstance(answer, str)]
    assert refused == ([(killer, FileReason.WORKER_LOST)] if killer else [])


@pytest.fixture
def film():
    """A schedule that has a film to cut, and the job."""
    (raw,) = listing(1, CUT_ABOVE_BYTES)
    schedule = Schedule([], 4)
    schedule.add(job(raw))
    cutting = next(schedule)
    assert isinstance(cutting, Cutting)
    return schedule, cutting.job


def measured(task: FileJob, error: str = "") -> FileResult:
    """The segment's result, whose times are the numbers of its first frame and of a frame behind it."""
    outcome, first = FileOutcome(FileState.MEASURED, None, error), task.segment.first
    return FileResult(task, Analysis(outcome, None, CLIPS.empty_table(), 60.0, 0.0), None, first + 1, first + 1001)


def results(schedule: Schedule, film: FileJob, changed: dict[int, FileResult | str]):
    """The film's result, when its segments come in backwards, some of them otherwise than well."""
    schedule.cut(film, SEGMENTS)
    tasks = sorted(schedule, key=lambda task: -task.segment.first)
    assert [task.segment for task in tasks] == list(reversed(SEGMENTS))
    assert len({name_of(task) for task in tasks}) == len({task.suffix for task in tasks}) == 3
    whole = None
    for task in tasks:
        assert whole is None
        special = changed.get(task.segment.first, "")
        whole = schedule.analysed(task, measured(task, special) if isinstance(special, str) else special)
    assert whole is not None
    return whole


def refused(film: FileJob) -> FileResult:
    return FileResult(film, None, MediaRefusedError(FileReason.OUT_OF_MEMORY))


def test_film_is_whole_when_its_last_segment_is(film):
    whole = results(*film, {})
    assert whole.result.analysis is not None
    assert (whole.result.job, whole.result.analysis.media_s) == (film[1], 180.0)
    assert (len(whole.segments), whole.unused) == (3, ())
    assert (whole.result.began_ns, whole.result.ended_ns) == (1, 4001)


def test_refused_segment_refuses_the_film(film):
    whole = results(*film, {1500: refused(film[1])})
    assert whole.result.refusal is not None
    assert (whole.result.refusal.reason, whole.segments) == (FileReason.OUT_OF_MEMORY, ())
    assert len(whole.unused) == 2
    assert (whole.result.began_ns, whole.result.ended_ns) == (1, 1001)  # of the lost one, it is not known


def test_film_ends_with_a_damaged_segment_whatever_comes_behind(film):
    whole = results(*film, {1500: "damaged", 3000: refused(film[1])})
    assert whole.result.analysis is not None
    assert (whole.result.analysis.outcome.error, whole.result.analysis.media_s) == ("damaged", 120.0)
    assert len(whole.segments) == 2
    assert (whole.result.began_ns, whole.result.ended_ns) == (1, 2501)


def test_segments_behind_the_damage_are_unused(film):
    whole = results(*film, {0: "damaged"})
    assert (len(whole.segments), len(whole.unused)) == (1, 2)
    assert not {id(segment) for segment in whole.segments} & {id(segment) for segment in whole.unused}


def test_film_that_was_left_whole_is_one_job(film):
    schedule, cut = film
    schedule.cut(cut, (WHOLE_FILM,))
    assert list(schedule) == [cut]


def test_one_thread_cuts_nothing():
    schedule = Schedule([], 1)
    schedule.add(job(listing(1, GIB)[0]))
    assert isinstance(next(schedule), FileJob)
