"""Scores of systems on scenes: with the clip's own sound, where the truth is known, and with another's.

Shape suffix legend: F = frames of a span, S = side of a crop in pixels, D = values of a feature.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.evaluation.aggregate import SpeakerScores, frechet_over_speakers, mean_over_speakers
from model.evaluation.eval_clip import EvalClip, other_sound
from model.evaluation.image_scores import judged_features, score
from model.evaluation.systems import Crops, System
from model.evaluation.translator import Finder
from model.evaluation.translator_report import SCORES, TranslatorClipScores
from model.metrics.speakers import by_speaker
from model.perceptual.lite0 import Lite0

FRECHET: Final = "frechet"
"""Name of the Frechet distance over EfficientNet-Lite0's fifth stage; no FID."""

_Features = dict[str, list[NDArray[np.float32]]]


class Evaluator:
    """Scenes on which systems are compared, with the features of their true crops.

    finder: without one, no face is looked for again, and what needs that is missing from the scores.
    """

    def __init__(self, scenes: Sequence[EvalClip], judge: Lite0, finder: Finder | None) -> None:
        self.scenes, self._judge, self._finder = scenes, judge, finder
        self._true: _Features = {}
        for scene in scenes:
            true = np.asarray(scene.eval_window.crops / np.float32(255), np.float32)
            self._note(self._true, scene, true)

    def paired(self, name: str, system: System) -> Mapping[str, SpeakerScores]:
        """Scores by name (model/evaluation/image_scores.py, and FRECHET) of what a system makes of each clip's own
        sound.
        """
        rows, features = [], _Features()
        for scene in self.scenes:
            crops, exam = system.paint(scene, scene.mel_SM), scene.eval_window.exam
            rows.append(
                TranslatorClipScores(
                    exam.clip_id, exam.speaker, name, score(scene.eval_window, crops, self._judge, self._finder)
                )
            )
            self._note(features, scene, crops)
        scores = {key: mean_over_speakers(parts) for key in SCORES if (parts := by_speaker(rows, key))}
        return scores | {FRECHET: frechet_over_speakers(features, self._true)}

    def unpaired(self, system: System) -> SpeakerScores:
        """The Frechet distance of what a system makes of another speaker's sound: there is no truth to compare with."""
        features = _Features()
        for number, scene in enumerate(self.scenes):
            self._note(features, scene, system.paint(scene, other_sound(self.scenes, number)))
        return frechet_over_speakers(features, self._true)

    def _note(self, features: _Features, scene: EvalClip, crops: Crops) -> None:
        features.setdefault(scene.eval_window.exam.speaker, []).append(
            judged_features(self._judge, scene.eval_window, crops).frames
        )
