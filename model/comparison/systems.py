"""Systems that are compared: each paints the crops of a scene so that its face speaks a given sound.

Shape suffix legend: F = frames of the sitting's span, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.baselines.batches import mel_windows
from model.baselines.judging import painted
from model.baselines.painting import RivalPainter
from model.comparison.scene import Mel, Scene
from model.stage1.inference import predict_clip
from model.stage1.network import LandmarkGenerator
from model.stage2.judging import answer, translated
from model.stage2.translator import Translator
from model.stage2.warp import WarpTranslator

Crops = NDArray[np.float32]


class System(Protocol):
    """Paints. Whatever it knows of the mouth comes from the told frames (`scene.sitting.told`) and the sound."""

    def paint(self, scene: Scene, mel_SM: Mel) -> Crops:
        """Crops of the sitting's span that speak the log-mel (4T, 80), which lasts as long as the clip: (F, S, S, 3),
        RGB in 0..1, at the scene's side.
        """


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Ours: a landmark generator says what the mouth does, a translator paints it. gain: see inference.amplified.

    The mouth is nowhere taken over from the frames that are judged: dubbing, which may look at them, places the corners
    of the mouth by them (tasks/dubbing/lips.py).
    """

    generator: LandmarkGenerator
    gain: float
    translator: Translator

    def paint(self, scene: Scene, mel_SM: Mel) -> Crops:
        """See System."""
        portrait, told = scene.sitting.exam.portrait, scene.sitting.told
        landmarks = portrait.landmarks_TPXY
        wanted = predict_clip(self.generator, mel_SM, landmarks, landmarks[told], portrait.tracked_T, self.gain)
        return translated(scene.sitting, self.translator, wanted)


@dataclass(frozen=True, slots=True)
class Rival:
    """One of those that the paper compares with. It paints whole crops, also what ours takes over from the source."""

    painter: RivalPainter

    def paint(self, scene: Scene, mel_SM: Mel) -> Crops:
        """See System."""
        sitting = scene.sitting
        windows = mel_windows(mel_SM, len(sitting.exam.portrait.tracked_T))
        return np.asarray(painted(self.painter, sitting, windows[sitting.span]) / np.float32(255), np.float32)


@dataclass(frozen=True, slots=True)
class TrueLandmarks:
    """A translator that is given the clip's own landmarks: what stage 1 could do at best. Hears nothing."""

    translator: Translator

    def paint(self, scene: Scene, mel_SM: Mel) -> Crops:
        """See System."""
        return translated(scene.sitting, self.translator)


@dataclass(frozen=True, slots=True)
class Copy:
    """The lower half of one told frame throughout. Hears nothing."""

    def paint(self, scene: Scene, mel_SM: Mel) -> Crops:
        """See System."""
        return answer(scene.sitting, "copy", WarpTranslator(scene.sitting.crops.shape[1]))


@dataclass(frozen=True, slots=True)
class Truth:
    """The true crops: what scores say of a perfect system, the face tracker's own noise included."""

    def paint(self, scene: Scene, mel_SM: Mel) -> Crops:
        """See System."""
        return answer(scene.sitting, "source", WarpTranslator(scene.sitting.crops.shape[1]))
