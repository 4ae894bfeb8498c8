"""What people look at while a translator or a baseline trains: a contact sheet at each look, a short film now and
then.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from model.baselines.inference import BaselineInference
from model.evaluation.translator import EvalWindow, answer
from model.stage2.inference import TranslatorInference
from model.stage2.network import LandmarkTranslator
from model.stage2.translator import Pictures
from tasks.training.baselines import BaselineEvalClip
from tasks.visualization.sheets import Columns, as_bytes, contact_sheet, crop_film, seen

_CLIPS: Final = 3
"""Clips that are drawn, of different speakers where there are as many."""

_ROWS: Final = 2


@dataclass(frozen=True, slots=True)
class TranslatorSampleLogger:
    """Draws a translator's answers on the first evaluation windows. sample_interval: steps between films. Travels
    between processes.
    """

    sample_interval: int
    steps: int

    def __call__(
        self, translator: LandmarkTranslator, eval_windows: Sequence[EvalWindow], step: int
    ) -> dict[str, bytes]:
        """Files by name: a PNG of all clips, and an MP4 of the first clip now and then and at the end."""
        inference = TranslatorInference(translator)
        shown = [columns(eval_window, inference) for eval_window in eval_windows[:_CLIPS]]
        return _hung(shown, step, film=step % self.sample_interval == 0 or step == self.steps)


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


def columns(eval_window: EvalWindow, translator: TranslatorInference) -> Columns:
    """Crops of a evaluation window's span, by what they are: input with drawn landmarks, untrained warp, generated,
    true.
    """
    made = {system: as_bytes(answer(eval_window, system, translator)) for system in ("warp", "painted")}
    return {
        "input, landmarks": seen(eval_window.crops, eval_window.landmarks),
        "warped reference": made["warp"],
        "generated": made["painted"],
        "true": eval_window.crops,
    }


def _spread(pictures: Pictures) -> Pictures:
    return np.asarray(pictures[np.unique(np.linspace(0, len(pictures) - 1, _ROWS).astype(int))])


@dataclass(frozen=True, slots=True)
class BaselineSampleLogger:
    """The same for baselines (model/baselines): reference, painted by what is heard, true."""

    sample_interval: int
    steps: int

    def __call__(self, translator: BaselineInference, exams: Sequence[BaselineEvalClip], step: int) -> dict[str, bytes]:
        """Files by name, as an Sample logger's."""
        shown = [baseline_columns(exam, translator) for exam in exams[:_CLIPS]]
        return _hung(shown, step, film=step % self.sample_interval == 0 or step == self.steps)


def baseline_columns(exam: BaselineEvalClip, translator: BaselineInference) -> Columns:
    """Crops of an exam's span, by what they are: the reference frame, generated, true."""
    eval_window = exam.eval_window
    middle = eval_window.exam.portrait.pictures_TSS3[eval_window.told[len(eval_window.told) // 2]]
    return {
        "reference": np.repeat(middle[None], len(eval_window.crops), axis=0),
        "generated": exam.painted(translator),
        "true": eval_window.crops,
    }
