"""Scores of systems on scenes: with the clip's own sound, where the truth is known, and with another's.

Shape suffix legend: F = frames of a span, S = side of a crop in pixels, D = values of a feature.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.comparison.measured import Measured, frechet_over_speakers, mean_over_speakers
from model.comparison.scene import Scene, other_sound
from model.comparison.systems import Crops, System
from model.metrics.speakers import by_speaker
from model.perception.lite0 import Lite0
from model.stage2.judging import Finder
from model.stage2.scorecard import SCORES, Sat
from model.stage2.scores import judged_features, score

FRECHET: Final = "frechet"
"""Name of the Frechet distance over EfficientNet-Lite0's fifth stage; no FID."""

_Features = dict[str, list[NDArray[np.float32]]]


class Bench:
    """Scenes on which systems are compared, with the features of their true crops.

    finder: without one, no face is looked for again, and what needs that is missing from the scores.
    """

    def __init__(self, scenes: Sequence[Scene], judge: Lite0, finder: Finder | None) -> None:
        self.scenes, self._judge, self._finder = scenes, judge, finder
        self._true: _Features = {}
        for scene in scenes:
            true = np.asarray(scene.sitting.crops / np.float32(255), np.float32)
            self._note(self._true, scene, true)

    def paired(self, name: str, system: System) -> Mapping[str, Measured]:
        """Scores by name (model/stage2/scores.py, and FRECHET) of what a system makes of each clip's own sound."""
        rows, features = [], _Features()
        for scene in self.scenes:
            crops, exam = system.paint(scene, scene.mel_SM), scene.sitting.exam
            rows.append(Sat(exam.clip_id, exam.speaker, name, score(scene.sitting, crops, self._judge, self._finder)))
            self._note(features, scene, crops)
        scores = {key: mean_over_speakers(parts) for key in SCORES if (parts := by_speaker(rows, key))}
        return scores | {FRECHET: frechet_over_speakers(features, self._true)}

    def unpaired(self, system: System) -> Measured:
        """The Frechet distance of what a system makes of another speaker's sound: there is no truth to compare with."""
        features = _Features()
        for number, scene in enumerate(self.scenes):
            self._note(features, scene, system.paint(scene, other_sound(self.scenes, number)))
        return frechet_over_speakers(features, self._true)

    def _note(self, features: _Features, scene: Scene, crops: Crops) -> None:
        features.setdefault(scene.sitting.exam.speaker, []).append(
            judged_features(self._judge, scene.sitting, crops).frames
        )
