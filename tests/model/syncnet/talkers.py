"""Clips of talkers whose speech determines their mouth: a random curve opens the mouth and makes some bands loud."""

import numpy as np

from heterodub.model.evaluation.sync_windows import SyncClip
from heterodub.model.features.timing import mel_columns
from heterodub.schemas.contract import MEL_BANDS
from tests.model.evaluation.faces import moved, talking


def opening(frames: int, draw: np.random.Generator) -> np.ndarray:
    """A curve (frames,) of mean 0 and spread 1 that changes within a few frames."""
    curve = np.convolve(draw.normal(size=frames + 6), np.hanning(6), "valid")[:frames]
    return (curve - curve.mean()) / curve.std()


def mel_of(curve: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Log-mel (4T, 80) whose lower half is loud when the mouth is open; each talker has a timbre; noise."""
    fine = np.interp(np.arange(mel_columns(len(curve))) / mel_columns(1), np.arange(len(curve)), curve)
    loud = np.where(np.arange(MEL_BANDS) < MEL_BANDS // 2, 1.0, -0.3)
    mel = -4 + fine[:, None] * loud + draw.normal(0, 1, MEL_BANDS) + draw.normal(0, 0.5, (len(fine), MEL_BANDS))
    return mel.astype(np.float32)


def raw_clip(frames: int, seed: int, late: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Landmarks (T, 216, 2), tracked (T,) and mel (4T, 80); the sound is `late` frames late."""
    draw = np.random.default_rng(seed)
    long = opening(frames + 40, draw)
    points = moved(talking(14 + 5 * long[20 : 20 + frames]), seed)
    return points, np.ones(frames, np.bool_), mel_of(long[20 - late : 20 - late + frames], draw)


def clip(frames: int, seed: int, late: int = 0) -> SyncClip:
    return SyncClip.of(*raw_clip(frames, seed, late))
