"""Use of many cores by the order of an ingest's work: `python -m tests.bench.schedule [--cores 1000] [--units 200]`.

A discrete-event simulation of the scheduling code itself (heterodub.tasks.ingestion.schedule, slices of the driver, the
number of calls in flight of dask_executor), with durations in the place of work. A unit is a film of two hours and a
thousand clips of ten seconds. Prints the share of the cores' time that is work which one pass would do, too, and the
share that is any work; their difference is what is done again for segments.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice

from heterodub.model.features.timing import frame_to_second, seconds_to_frames, section_of, section_start
from heterodub.schemas.reasons import FileState
from heterodub.schemas.records import WHOLE_FILM, FileOutcome, FilmSegment, RawFile
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.ingestion.dask_executor import IN_FLIGHT_PER_THREAD
from heterodub.tasks.ingestion.driver import slices
from heterodub.tasks.ingestion.job import Analysis, Cutting, FileJob, Identification
from heterodub.tasks.ingestion.schedule import Schedule, urgency
from heterodub.tasks.ingestion.worker import FileResult, Task

BYTES_PER_S = 125_000
"""Of footage: a megabit a second."""
READ_BYTES_PER_S = 200e6
PICTURES_S = 0.26
SOUND_S = 0.0086
"""Processor time for a second of footage: 193.6 s for twelve minutes, of which sound is 6.3 s."""
CLIP_S, FILM_S = 10.0, 7200.0
_ANALYSIS = Analysis(FileOutcome(FileState.MEASURED), None, CLIPS.empty_table(), 0.0, 0.0)


@dataclass
class Outcome:
    """Seconds: of the simulated run, of all work, and of the work that one pass over each file would take."""

    seconds: float = 0.0
    work: float = 0.0
    needed: float = 0.0
    segments: int = 0
    most_waiting: int = 0


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=1000)
    parser.add_argument("--units", type=int, nargs="+", default=[20, 200])
    arguments = parser.parse_args()
    for units in arguments.units:
        outcome = simulate(units, arguments.cores)
        whole = arguments.cores * outcome.seconds
        print(
            f"{units} films and {1000 * units:,} clips on {arguments.cores:,} cores: {outcome.seconds:,.0f} s; "
            f"{outcome.needed / whole:.1%} of the cores' time is work of one pass, {outcome.work / whole:.1%} any; "
            f"{outcome.segments} segments; at most {outcome.most_waiting:,} tasks wait",
            flush=True,
        )


def simulate(units: int, cores: int) -> Outcome:
    """Run the schedule with simulated cores; each result is brought back at once."""
    schedule, outcome = Schedule(slices(list(_listing(units)), {}), cores), Outcome()
    queue, running, numbers = list[tuple[float, int, Task]](), list[tuple[float, int, Task]](), count()
    now = 0.0
    while True:
        outcome.most_waiting = max(outcome.most_waiting, schedule.waiting)
        room = IN_FLIGHT_PER_THREAD * cores - len(queue) - len(running)
        for task in islice(schedule, room):
            heappush(queue, (-urgency(task), next(numbers), task))
        while queue and len(running) < cores:
            task = heappop(queue)[-1]
            seconds = _duration_s(task)
            outcome.work += seconds
            heappush(running, (now + seconds, next(numbers), task))
        if not running:
            outcome.seconds = now
            return outcome
        now, _, task = heappop(running)
        _bring(schedule, task, outcome)


def _listing(units: int) -> Iterator[RawFile]:
    for unit in range(units):
        yield RawFile(f"/{unit:06d}/film", int(FILM_S * BYTES_PER_S), "1")
        for clip in range(1000):
            yield RawFile(f"/{unit:06d}/{clip:04d}", int(CLIP_S * BYTES_PER_S), "1")


def _length_s(size_bytes: int) -> float:
    return size_bytes / BYTES_PER_S


def _duration_s(task: Task) -> float:
    match task:
        case Identification():
            return sum(raw.size_bytes for raw in task.files) / READ_BYTES_PER_S + 0.01
        case Cutting():
            return 1 + task.job.size_bytes / READ_BYTES_PER_S
        case FileJob():
            length_s, segment = _length_s(task.size_bytes), task.segment
            stop_s = length_s if segment.stop is None else frame_to_second(segment.stop)
            return PICTURES_S * (stop_s - frame_to_second(segment.first)) + SOUND_S * stop_s


def _bring(schedule: Schedule, task: Task, outcome: Outcome) -> None:
    match task:
        case Identification():
            outcome.needed += _duration_s(task)
            finished = schedule.identified(task, [raw.uri for raw in task.files])
            for raw, _ in finished.answers if finished else ():
                schedule.add(FileJob(raw.uri, raw.uri, raw.size_bytes, "default", "file:x"))
                outcome.needed += (PICTURES_S + SOUND_S) * _length_s(raw.size_bytes)
        case Cutting():
            segments = _segments(task)
            outcome.segments += len(segments)
            schedule.cut(task.job, segments)
        case FileJob():
            schedule.analysed(task, FileResult(task, _ANALYSIS, None))


def _segments(task: Cutting) -> tuple[FilmSegment, ...]:
    """As heterodub.tasks.media.keyframes cuts a film that has key pictures everywhere."""
    length_s = _length_s(task.job.size_bytes)
    parts = max(1, min(task.most, int(length_s / task.least_s)))
    sections = section_of(seconds_to_frames(length_s)) + 1
    firsts = sorted({section_start(round(sections * part / parts)) for part in range(1, parts)})
    if not firsts:
        return (WHOLE_FILM,)
    return tuple(FilmSegment(first, stop) for first, stop in zip([0, *firsts], [*firsts, None], strict=True))


if __name__ == "__main__":
    main()
