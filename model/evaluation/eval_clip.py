"""Evaluation clips of whole systems: face crops and sound.

Shape suffix legend: T = frames of a clip, S = mel columns (4 a frame), M = 80 mel bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evaluation.generator import other_speaker
from model.evaluation.translator import EvalWindow
from model.features.timing import mel_columns
from schemas.contract import MEL_BANDS

Mel = NDArray[np.float32]


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
