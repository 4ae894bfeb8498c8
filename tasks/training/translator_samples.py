"""Samples of a translator or a baseline in training: a contact sheet at each validation, a short video at intervals."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from model.baselines.inference import BaselineInference
from model.evaluation.translator import EvalWindow, system_crops
from model.features.numbers import evenly_spaced
from model.stage2.inference import TranslatorInference
from model.stage2.network import LandmarkTranslator
from model.stage2.translator import Pictures
from tasks.training.baselines import BaselineEvalClip
from tasks.visualization.sheets import Columns, as_bytes, contact_sheet, crop_film, seen

_CLIPS: Final = 3
"""Number of clips that are drawn, of different speakers where there are as many."""

_ROWS: Final = 2


@dataclass(frozen=True, slots=True)
class TranslatorSampleLogger:
    """Draws a translator's output on the first evaluation windows. sample_interval: steps between videos. Travels
    between processes.
    """

    sample_interval: int
    steps: int

    def __call__(
        self, translator: LandmarkTranslator, eval_windows: Sequence[EvalWindow], step: int
    ) -> dict[str, bytes]:
        """Return files by name: a PNG of all clips, and an MP4 of the first clip at intervals and at the end."""
        inference = TranslatorInference(translator)
        shown = [columns(eval_window, inference) for eval_window in eval_windows[:_CLIPS]]
        return _files(shown, step, film=step % self.sample_interval == 0 or step == self.steps)


def _files(shown: Sequence[Columns], step: int, *, film: bool) -> dict[str, bytes]:
    """Return a sheet of all clips, and on request a video of the first, by name."""
    together = {name: np.concatenate([_spread(one[name]) for one in shown]) for name in shown[0]}
    drawn = {f"val/faces_{step:06d}.png": contact_sheet(together, _ROWS * len(shown))}
    if film:
        with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
            path = Path(scratch) / "film.mp4"
            crop_film(path, shown[0])
            drawn[f"val/faces_{step:06d}.mp4"] = path.read_bytes()
    return drawn


def columns(eval_window: EvalWindow, translator: TranslatorInference) -> Columns:
    """Return crops of an evaluation window's span by kind: input with drawn landmarks, untrained warp, generated,
    true.
    """
    made = {system: as_bytes(system_crops(eval_window, system, translator)) for system in ("warp", "painted")}
    return {
        "input, landmarks": seen(eval_window.crops, eval_window.landmarks),
        "warped reference": made["warp"],
        "generated": made["painted"],
        "true": eval_window.crops,
    }


def _spread(pictures: Pictures) -> Pictures:
    return np.asarray(pictures[evenly_spaced(len(pictures), _ROWS)])


@dataclass(frozen=True, slots=True)
class BaselineSampleLogger:
    """Draws a baseline's output (model/baselines): reference, generated from speech, true."""

    sample_interval: int
    steps: int

    def __call__(
        self, translator: BaselineInference, eval_clips: Sequence[BaselineEvalClip], step: int
    ) -> dict[str, bytes]:
        """Return files by name, as TranslatorSampleLogger."""
        shown = [baseline_columns(eval_clip, translator) for eval_clip in eval_clips[:_CLIPS]]
        return _files(shown, step, film=step % self.sample_interval == 0 or step == self.steps)


def baseline_columns(eval_clip: BaselineEvalClip, translator: BaselineInference) -> Columns:
    """Return crops of an evaluation clip's span by kind: the reference frame, generated, true."""
    eval_window = eval_clip.eval_window
    middle = eval_window.clip.face_clip.pictures_TSS3[eval_window.references[len(eval_window.references) // 2]]
    return {
        "reference": np.repeat(middle[None], len(eval_window.crops), axis=0),
        "generated": eval_clip.generate(translator),
        "true": eval_window.crops,
    }
