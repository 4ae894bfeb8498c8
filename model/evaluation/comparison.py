"""Scores of systems on evaluation clips: with the clip's own sound (paired), and with another speaker's (unpaired).

Shape suffix legend: F = frames of a span, S = side of a crop in pixels, D = values of a feature.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from model.evaluation.image_scores import TRANSLATOR_REPORT, clip_scores, heldout_features
from model.evaluation.systems import Crops, EvalClip, System, other_sound
from model.evaluation.translator import Finder
from model.metrics.clip_scores import SpeakerScores, by_speaker, mean_over_speakers
from model.metrics.frechet import FRECHET, frechet_over_speakers
from model.perceptual.lite0 import Lite0

_Features = dict[str, list[NDArray[np.float32]]]


class Evaluator:
    """Scores systems on evaluation clips; keeps the features of the clips' true crops.

    finder: detects faces in generated crops; without one, the scores that need it are missing.
    """

    def __init__(self, scenes: Sequence[EvalClip], lite0: Lite0, finder: Finder | None) -> None:
        self.scenes, self._lite0, self._finder = scenes, lite0, finder
        self._true: _Features = {}
        for scene in scenes:
            true = np.asarray(scene.eval_window.crops / np.float32(255), np.float32)
            self._note(self._true, scene, true)

    def paired(self, name: str, system: System) -> Mapping[str, SpeakerScores]:
        """Score a system with each clip's own sound: by name (model/evaluation/image_scores.py, and FRECHET)."""
        rows, features = [], _Features()
        for scene in self.scenes:
            crops = system.generate(scene, scene.mel_SM)
            rows.append(clip_scores(scene.eval_window, name, crops, self._lite0, self._finder))
            self._note(features, scene, crops)
        scores = {
            key: mean_over_speakers(parts) for key in TRANSLATOR_REPORT.scores if (parts := by_speaker(rows, key))
        }
        return scores | {FRECHET: frechet_over_speakers(features, self._true)}

    def unpaired(self, system: System) -> SpeakerScores:
        """Return a system's Frechet distance with another speaker's sound, for which there is no ground truth."""
        features = _Features()
        for number, scene in enumerate(self.scenes):
            self._note(features, scene, system.generate(scene, other_sound(self.scenes, number)))
        return frechet_over_speakers(features, self._true)

    def _note(self, features: _Features, scene: EvalClip, crops: Crops) -> None:
        features.setdefault(scene.eval_window.clip.speaker, []).append(
            heldout_features(self._lite0, scene.eval_window, crops).frames
        )
