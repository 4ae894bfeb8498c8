"""What people look at while a translator or a rival trains: a contact sheet at each look, a short film now and then."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from model.baselines.painting import RivalPainter
from model.stage2.inference import PainterTranslator
from model.stage2.judging import Sitting, answer
from model.stage2.network import Painter
from model.stage2.translator import Pictures
from tasks.drawing.sheets import Columns, as_bytes, contact_sheet, crop_film, seen
from tasks.learning.rivals import TalkingExam

_CLIPS: Final = 3
"""Clips that are drawn, of different speakers where there are as many."""

_ROWS: Final = 2


@dataclass(frozen=True, slots=True)
class Easel:
    """Draws a painter's answers on the first sittings. film_every: steps between films. Travels between processes."""

    film_every: int
    steps: int

    def __call__(self, painter: Painter, sittings: Sequence[Sitting], step: int) -> dict[str, bytes]:
        """Files by name: a PNG of all clips, and an MP4 of the first clip now and then and at the end."""
        translator = PainterTranslator(painter)
        shown = [columns(sitting, translator) for sitting in sittings[:_CLIPS]]
        return _hung(shown, step, film=step % self.film_every == 0 or step == self.steps)


def _hung(shown: Sequence[Columns], step: int, *, film: bool) -> dict[str, bytes]:
    """One sheet of all clips, and perhaps a film of the first, by name."""
    together = {name: np.concatenate([_spread(one[name]) for one in shown]) for name in shown[0]}
    drawn = {f"val/faces_{step:06d}.png": contact_sheet(together, _ROWS * len(shown))}
    if film:
        with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
            path = Path(scratch) / "film.mp4"
            crop_film(path, shown[0])
            drawn[f"val/faces_{step:06d}.mp4"] = path.read_bytes()
    return drawn


def columns(sitting: Sitting, translator: PainterTranslator) -> Columns:
    """Crops of a sitting's span, by what they are: input with drawn landmarks, untrained warp, generated, true."""
    made = {system: as_bytes(answer(sitting, system, translator)) for system in ("warp", "painted")}
    return {
        "input, landmarks": seen(sitting.crops, sitting.landmarks),
        "warped reference": made["warp"],
        "generated": made["painted"],
        "true": sitting.crops,
    }


def _spread(pictures: Pictures) -> Pictures:
    return np.asarray(pictures[np.unique(np.linspace(0, len(pictures) - 1, _ROWS).astype(int))])


@dataclass(frozen=True, slots=True)
class RivalEasel:
    """The same for rivals (model/baselines): reference, painted by what is heard, true."""

    film_every: int
    steps: int

    def __call__(self, painter: RivalPainter, exams: Sequence[TalkingExam], step: int) -> dict[str, bytes]:
        """Files by name, as an Easel's."""
        shown = [rival_columns(exam, painter) for exam in exams[:_CLIPS]]
        return _hung(shown, step, film=step % self.film_every == 0 or step == self.steps)


def rival_columns(exam: TalkingExam, painter: RivalPainter) -> Columns:
    """Crops of an exam's span, by what they are: the reference frame, generated, true."""
    sitting = exam.sitting
    middle = sitting.exam.portrait.pictures_TSS3[sitting.told[len(sitting.told) // 2]]
    return {
        "reference": np.repeat(middle[None], len(sitting.crops), axis=0),
        "generated": exam.painted(painter),
        "true": sitting.crops,
    }
