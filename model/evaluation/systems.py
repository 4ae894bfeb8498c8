"""Systems that are compared: each paints the crops of a scene so that its face speaks a given sound.

Shape suffix legend: F = frames of the evaluation window's span, S = side of a crop in pixels, P = 216 points, XY = 2
coordinates.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.baselines.batches import mel_windows
from model.baselines.evaluation import painted
from model.baselines.inference import BaselineInference
from model.evaluation.eval_clip import EvalClip, Mel
from model.evaluation.translator import answer, translated
from model.stage1.inference import predict_clip
from model.stage1.network import LandmarkGenerator
from model.stage2.translator import Translator
from model.stage2.warp import WarpTranslator

Crops = NDArray[np.float32]


class System(Protocol):
    """Paints. Whatever it knows of the mouth comes from the told frames (`scene.eval_window.told`) and the sound."""

    def paint(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """Crops of the evaluation window's span that speak the log-mel (4T, 80), which lasts as long as the clip: (F,
        S, S, 3), RGB in 0..1, at the scene's side.
        """


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Ours: a landmark generator says what the mouth does, a translator paints it. gain: see inference.amplified.

    The mouth is nowhere taken over from the frames that are judged: dubbing, which may look at them, places the corners
    of the mouth by them (tasks/dubbing/predict_lips.py).
    """

    generator: LandmarkGenerator
    gain: float
    translator: Translator

    def paint(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        portrait, told = scene.eval_window.exam.portrait, scene.eval_window.told
        landmarks = portrait.landmarks_TPXY
        wanted = predict_clip(self.generator, mel_SM, landmarks, landmarks[told], portrait.tracked_T, self.gain)
        return translated(scene.eval_window, self.translator, wanted)


@dataclass(frozen=True, slots=True)
class BaselineSystem:
    """One of those that the paper compares with. It paints whole crops, also what ours takes over from the source."""

    translator: BaselineInference

    def paint(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        eval_window = scene.eval_window
        windows = mel_windows(mel_SM, len(eval_window.exam.portrait.tracked_T))
        return np.asarray(
            painted(self.translator, eval_window, windows[eval_window.span]) / np.float32(255), np.float32
        )


@dataclass(frozen=True, slots=True)
class TrueLandmarks:
    """A translator that is given the clip's own landmarks: what stage 1 could do at best. Hears nothing."""

    translator: Translator

    def paint(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        return translated(scene.eval_window, self.translator)


@dataclass(frozen=True, slots=True)
class Copy:
    """The lower half of one told frame throughout. Hears nothing."""

    def paint(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        return answer(scene.eval_window, "copy", WarpTranslator(scene.eval_window.crops.shape[1]))


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The true crops: what scores say of a perfect system, the face tracker's own noise included."""

    def paint(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        return answer(scene.eval_window, "source", WarpTranslator(scene.eval_window.crops.shape[1]))
