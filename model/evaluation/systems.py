"""Compared systems: each generates the crops of an evaluation clip so that its face speaks a given sound.

Shape suffix legend: T = frames of a clip, F = frames of the evaluation window's span, S = side of a crop in pixels (of
mel_SM: mel columns, 4 a frame), M = 80 mel bands, P = 216 points, XY = 2 coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.baselines.batches import mel_windows
from model.baselines.evaluation import generate_span
from model.baselines.inference import BaselineInference
from model.evaluation.generator import other_speaker
from model.evaluation.translator import EvalWindow, system_crops, translate_span
from model.features.timing import mel_columns
from model.stage1.inference import predict_clip
from model.stage1.network import LandmarkGenerator
from model.stage2.translator import Translator
from model.stage2.warp import WarpTranslator
from schemas.contract import MEL_BANDS

Mel = NDArray[np.float32]
Crops = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EvalClip:
    """A clip with its evaluation window (crops, landmarks, reference and scored frames) and its log-mel (4T, 80).

    Raises: ValueError - the sound is not as long as the picture.
    """

    eval_window: EvalWindow
    mel_SM: Mel

    def __post_init__(self) -> None:
        frames = len(self.eval_window.clip.face_clip.tracked_T)
        if self.mel_SM.shape != (mel_columns(frames), MEL_BANDS):
            raise ValueError(f"{frames} frames need a mel {(mel_columns(frames), MEL_BANDS)}, got {self.mel_SM.shape}")


def other_sound(scenes: Sequence[EvalClip], number: int) -> Mel:
    """Return the sound of another speaker for scene `number`, repeated or cut to its length: the unpaired setting."""
    other = other_speaker([scene.eval_window.clip.speaker for scene in scenes], number)
    return np.resize(scenes[other].mel_SM, scenes[number].mel_SM.shape)


class System(Protocol):
    """Generates crops. Only reference frames (`scene.eval_window.references`) and sound may inform it of the mouth."""

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """Generate crops of the evaluation window's span that speak the log-mel (4T, 80), as long as the clip: (F, S,
        S, 3), RGB in 0..1, at the clip's side.
        """


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Our system: a landmark generator and a translator. gain: see inference.amplified.

    Scored frames contribute nothing to the mouth; dubbing, which may use them, takes the position of the mouth's
    corners from them (tasks/dubbing/predict_lips.py).
    """

    generator: LandmarkGenerator
    gain: float
    translator: Translator

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        face_clip, references = scene.eval_window.clip.face_clip, scene.eval_window.references
        landmarks = face_clip.landmarks_TPXY
        wanted = predict_clip(self.generator, mel_SM, landmarks, landmarks[references], face_clip.tracked_T, self.gain)
        return translate_span(scene.eval_window, self.translator, wanted)


@dataclass(frozen=True, slots=True)
class BaselineSystem:
    """A baseline of the paper. It generates whole crops, also what ours takes over from the source."""

    translator: BaselineInference

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        eval_window = scene.eval_window
        windows = mel_windows(mel_SM, len(eval_window.clip.face_clip.tracked_T))
        return np.asarray(
            generate_span(self.translator, eval_window, windows[eval_window.span]) / np.float32(255), np.float32
        )


@dataclass(frozen=True, slots=True)
class TrueLandmarks:
    """A translator with the clip's own landmarks: the upper bound of stage 1. Ignores the sound."""

    translator: Translator

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        return translate_span(scene.eval_window, self.translator)


@dataclass(frozen=True, slots=True)
class Copy:
    """The lower half of one reference frame throughout. Ignores the sound."""

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        return system_crops(scene.eval_window, "copy", WarpTranslator(scene.eval_window.crops.shape[1]))


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The true crops: the scores of a perfect system, the face tracker's own noise included."""

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        return system_crops(scene.eval_window, "ground truth", WarpTranslator(scene.eval_window.crops.shape[1]))
