"""Pieces of a film: some frames of its output, for a worker to paint and encode. The speech and its prediction belong
to the whole film and are part of the plan; a piece is that part of the plan which its frames need.

All of it runs in the sandbox: what lies in these files is unpickled.
"""

import pickle
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.records import MediaFacts
from heterodub.tasks.dubbing.dub import DubPlan, painted
from heterodub.tasks.dubbing.dub_inputs import open_film
from heterodub.tasks.dubbing.models import Models
from heterodub.tasks.dubbing.output import settings_of
from heterodub.tasks.dubbing.passes import ahead
from heterodub.tasks.dubbing.picture_encoder import SectionEncoder, encoded, store
from heterodub.tasks.dubbing.references import ReferenceFrames
from heterodub.tasks.dubbing.segments import Face
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.media.paths import open_regular
from heterodub.tasks.monitoring.progress import ProgressSink


class _NoVoice:
    """Stands for the speech in a piece, which nothing there listens to."""

    def samples(self, start: int, count: int) -> NDArray[np.float32]:
        """Raises: NotImplementedError - always."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Frames of an output, and what they need. places: of the plan's segments among those of the whole film. facts: of
    the film, with the chosen stream.
    """

    numbers: range
    plan: DubPlan
    places: tuple[int, ...]
    references: Mapping[Face, ReferenceFrames]
    facts: MediaFacts


def divided(frames: int, section_frames: int, most: int) -> list[range]:
    """Divide the frames of an output into at most so many ranges of whole sections, of about one length."""
    sections = -(-frames // section_frames)
    count = max(1, min(most, sections))
    borders = [round(sections * part / count) * section_frames for part in range(count)]
    return [range(first, stop) for first, stop in zip(borders, [*borders[1:], frames], strict=True)]


def write_piece(
    path: Path, numbers: range, plan: DubPlan, references: Mapping[Face, ReferenceFrames], facts: MediaFacts
) -> None:
    """Write what some frames of a plan need. Raises: OSError - there is no room."""
    places = [place for place, part in enumerate(plan.parts) if part.first < numbers.stop and part.stop > numbers.start]
    parts = [replace(plan.parts[place], voice=_NoVoice()) for place in places]
    followed = replace(plan.followed, tracks=[], patches={})
    needed = {part.face: references[part.face] for part in parts}
    piece = Piece(numbers, replace(plan, parts=parts, lines=(), followed=followed), tuple(places), needed, facts)
    with path.open("wb") as file:
        pickle.dump(piece, file, pickle.HIGHEST_PROTOCOL)


def read_piece(path: Path) -> Piece:
    """Read a piece. Raises: MediaRefusedError - VANISHED, UNREADABLE."""
    with open_regular(path) as file:
        piece: Piece = pickle.load(file)
    return piece


def render_piece(
    piece: Piece, job: DubJob, models: Models, backend: LandmarkBackend, settings: Settings, out: Path
) -> dict[str, float]:
    """Paint and encode a piece into a file for `picture_encoder.stored`. Returns seconds by kernel.

    Raises: MediaRefusedError, SourceError - the film cannot be read. OSError - there is no room.
    """
    with open_film(job, models, backend, settings, ProgressSink()) as inputs:
        inputs.film.facts = piece.facts
        plan, dub = piece.plan, settings_of(job, settings.dub, False)
        encoder = SectionEncoder(plan.look, plan.timeline, dub, piece.numbers.start)
        with closing(ahead(painted(inputs, plan, piece.references, piece.numbers))) as frames:
            store(out, encoded(frames, encoder, plan.timeline, inputs.monitor, piece.numbers))
        return inputs.monitor.seconds
