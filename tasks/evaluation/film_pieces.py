"""A film that several workers dub: planned by one child, painted and measured in pieces by many, and put together by
the first, which keeps the plan meanwhile. Runs in sandboxes; tasks/dubbing/divided_film.py calls it.

File and verdict are those of one pass, since encoder, search for faces and measures begin anew with each section there,
too. The small film of the page is encoded twice.
"""

import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heterodub.model.features.arrays import Rgb
from heterodub.schemas.acceptance import AcceptancePolicy
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.dub import DubPlan, plan_dub, references_of, write
from heterodub.tasks.dubbing.dub_inputs import DubInputs, open_film, open_inputs
from heterodub.tasks.dubbing.jobs import Dubbed, ModelPaths
from heterodub.tasks.dubbing.pieces import divided, read_piece, render_piece, write_piece
from heterodub.tasks.dubbing.segments import Segment
from heterodub.tasks.dubbing.worker import Announcer, opened
from heterodub.tasks.evaluation.acceptance import accepted, rendered_and_accepted
from heterodub.tasks.evaluation.acceptance_evidence import (
    at_25_fps,
    frames_at_25_fps,
    shown_at_25_fps,
    write_silent,
    write_sounded,
)
from heterodub.tasks.evaluation.acceptance_reports import AcceptedDub, small_film_of
from heterodub.tasks.evaluation.shot_measures import FilmMeter, MeasuredShot, measured_shots
from heterodub.tasks.evaluation.shot_meter import ShotValues
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.paths import open_regular
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.speech import SpeechSource

Spent = tuple[float, dict[str, float]]
"""Processor seconds of a piece, and seconds by kernel."""


@dataclass(slots=True, eq=False)
class _Planned:
    """A plan between two calls. dubbed: what was written by it."""

    opened: ExitStack
    inputs: DubInputs
    plan: DubPlan
    dubbed: Dubbed | None = None


_KEPT: Final[list[_Planned]] = []


def begin(job: DubJob, paths: ModelPaths, settings: Settings) -> int:
    """Plan a dubbing, and keep the plan for `divide`, `finish` and `finish_alone`. Returns the output's frames.

    Raises: as plan_dub.
    """
    _forget()
    models, backend = opened(paths, settings)
    with ExitStack() as stack:
        inputs = stack.enter_context(open_inputs(job, models, backend, settings, Announcer()))
        plan = plan_dub(inputs)
        _KEPT.append(_Planned(stack.pop_all(), inputs, plan))
    return plan.timeline.frames


def _forget() -> None:
    while _KEPT:
        _KEPT.pop().opened.close()


def finish_alone(rendered: Path, policy: AcceptancePolicy | None) -> AcceptedDub:
    """Render the plan here, in one pass. Raises: as rendered_and_accepted."""
    planned = _planned()
    try:
        return rendered_and_accepted(planned.inputs, planned.plan, rendered, policy)
    finally:
        _forget()


def divide(folder: Path, most: int) -> tuple[str, ...]:
    """Write the pieces of the plan into a folder, at most so many; returns their names, in order.

    Raises: MediaRefusedError - the film cannot be read. OSError - there is no room.
    """
    planned = _planned()
    inputs, plan = planned.inputs, planned.plan
    references = references_of(inputs, plan)
    names: list[str] = []
    for numbers in divided(plan.timeline.frames, inputs.settings.dub.section_frames, most):
        names.append(f"piece-{len(names)}")
        write_piece(folder / names[-1], numbers, plan, references, inputs.film.facts)
    return tuple(names)


def paint(job: DubJob, paths: ModelPaths, settings: Settings, piece: Path, folder: Path) -> Spent:
    """Paint and encode a piece, on a worker, into `folder`/packets.

    Raises: as render_piece.
    """
    began = time.process_time()
    models, backend = opened(paths, settings)
    seconds = render_piece(read_piece(piece), job, models, backend, settings, folder / "packets")
    return time.process_time() - began, seconds


def put_together(rendered: Path, packets: Sequence[Path], kernels: Sequence[dict[str, float]]) -> None:
    """Write the file from the packets of all pieces, with the sound and the source's other streams.

    Raises: as dub.write.
    """
    planned = _planned()
    monitor = planned.inputs.monitor
    for seconds in kernels:
        for kernel, spent in seconds.items():
            monitor.seconds[kernel] = monitor.seconds.get(kernel, 0.0) + spent
    planned.dubbed = write(planned.inputs, planned.plan, packets, rendered)


def measure_piece(
    job: DubJob, paths: ModelPaths, settings: Settings, piece: Path, finished: Path, folder: Path
) -> Spent:
    """Measure a piece of the finished file, on a worker: values into `folder`/values, pictures into `folder`/small.mp4.

    Raises: as FilmMeter.pairs. OSError - there is no room.
    """
    began = time.process_time()
    models, backend = opened(paths, settings)
    part = read_piece(piece)
    with open_film(job, models, backend, settings) as inputs:
        inputs.film.facts = part.facts
        meter = FilmMeter(inputs, part.plan, finished, part.numbers)
        with closing(meter.pairs()) as pairs:
            write_silent(folder / "small.mp4", at_25_fps(pairs, shown_at_25_fps(part.plan.timeline, part.numbers)))
    values = {place: meter.values[one] for place, one in zip(part.places, part.plan.parts, strict=True)}
    with (folder / "values").open("wb") as file:
        pickle.dump(values, file)
    return time.process_time() - began, inputs.monitor.seconds


def finish(
    rendered: Path, policy: AcceptancePolicy | None, values: Sequence[Path], films: Sequence[Path], spent: float
) -> AcceptedDub:
    """Judge the file that was put together by what was measured in its pieces. values, films: of `measure_piece`; none
    where there is no policy. spent: processor seconds of the workers that measured.

    Raises: as accepted.
    """
    planned = _planned()
    if planned.dubbed is None:
        raise DubbingError("no file was put together")
    try:
        if policy is None:
            return AcceptedDub(planned.dubbed)
        began = time.process_time()
        shots = _shots(planned, rendered, values, films)
        spent += time.process_time() - began
        return accepted(planned.inputs, planned.plan, rendered, planned.dubbed, policy, shots, spent)
    finally:
        _forget()


def _shots(
    planned: _Planned, rendered: Path, values: Sequence[Path], films: Sequence[Path]
) -> list[MeasuredShot]:  # fmt: skip
    inputs, plan = planned.inputs, planned.plan
    frames = frames_at_25_fps(float(plan.timeline.end_s))
    with SpeechSource.open(rendered, inputs.settings.limits, inputs.scratch, is_heard=False) as sound:
        write_sounded(small_film_of(rendered), _pictures(films, inputs.settings.limits), frames, sound)
        return measured_shots(inputs, plan, _joined(plan, values), sound)


def _joined(plan: DubPlan, paths: Sequence[Path]) -> dict[Segment, ShotValues]:
    """Join the values of pieces, by segment of the whole plan."""
    whole: dict[Segment, ShotValues] = {part: ShotValues() for part in plan.parts}
    for path in paths:
        with open_regular(path) as file:
            by_place: dict[int, ShotValues] = pickle.load(file)
        for place, values in by_place.items():
            whole[plan.parts[place]].append(values)
    return whole


def _pictures(films: Sequence[Path], limits: LimitSettings) -> Iterator[Rgb]:
    for path in films:
        film = SourceVideo.open(path, limits)
        canvas = Canvas(film.look())
        yield from (canvas.rgb(picture.frame, picture.geometry) for picture in film.pictures())


def _planned() -> _Planned:
    if not _KEPT:
        raise DubbingError("the child that planned the film is gone")
    return _KEPT[0]
