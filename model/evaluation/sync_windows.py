"""Inputs of the sync scorer: pairs of 200 ms of lips and 200 ms of speech, from clips in memory.

The scorer must learn timing, not speakers, so speaker cues are removed beforehand: place and size of the face by the
face frame, the shape of the mouth by the clip's own mean, loudness and timbre by the mean of each mel band.

Augmentation keeps timing: variations of mouth and voice beyond the few recorded speakers. Changes of mouth and voice
are drawn once per clip, so that they do not reveal which windows of the clip belong together; noise is drawn for every
value.

Shape suffix legend: T = frames of a clip, S = its 4 T mel columns, P = 216 points, L = 60 lip points, M = mel bands,
XY = 2 coordinates, N = windows, F = 5 frames of a window, C = its 20 mel columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.arrays import Flags, Floats
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import LIPS, SLICES
from heterodub.model.features.timing import mel_columns
from heterodub.model.training.batch import TrainingBatch
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS

Indices = NDArray[np.intp]

WINDOW_FRAMES: Final = 5
"""Frames of a window, 200 ms: as long as the landmark generator's sound window of one frame."""

LIP_POINTS: Final = LIPS.stop - LIPS.start

_LOUDNESS_RANGE: Final = 8.0
"""Natural-log units below the clip's loudest mel value at which it is floored: 70 dB."""

_LEAST_SPREAD: Final = 1e-3
"""Lips and sounds that vary by less are still or silent, and are not normalised."""


@dataclass(frozen=True, slots=True, eq=False)
class SyncClip:
    """One clip, normalised. lips_TLXY: face frame, mean taken out, spread 1. mel_SM: mean taken out, spread 1.

    starts_N: first frames of the windows in which every frame was tracked. moves, sounds: True if there is movement,
    sound; without, the arrays are zero.
    """

    lips_TLXY: NDArray[np.float32]
    mel_SM: NDArray[np.float32]
    starts_N: Indices
    moves: bool
    sounds: bool

    @classmethod
    def of(cls, points_TPXY: Floats, tracked_T: Flags, mel_SM: Floats) -> Self:
        """Normalise a clip: landmarks (T, 216, 2) in pixels, flags of tracked frames (T,), and log-mel (4T, 80).

        Raises: ValueError - other shapes, or a tracked face without a face frame.
        """
        frames = len(tracked_T)
        shapes = points_TPXY.shape, mel_SM.shape
        if tracked_T.dtype != np.bool_ or shapes != ((frames, LANDMARK_POINTS, 2), (mel_columns(frames), MEL_BANDS)):
            raise ValueError(f"{frames} flags ({tracked_T.dtype}) do not go with landmarks and mel {shapes}")
        lips_TLXY, moves = _movement(points_TPXY, tracked_T)
        mel_SM, sounds = _sound(mel_SM)
        return cls(lips_TLXY, mel_SM, _starts(tracked_T), moves, sounds)

    @property
    def frames(self) -> int:
        """Number of frames at 25 fps."""
        return len(self.lips_TLXY)

    @property
    def is_usable(self) -> bool:
        """True if the clip has a pair to train on."""
        return self.moves and self.sounds and len(self.starts_N) > 0

    def lips_at(self, starts_N: Indices) -> NDArray[np.float32]:
        """Return lip windows (N, 5, 60, 2) that start at these frames."""
        return np.asarray(self.lips_TLXY[starts_N[:, None] + np.arange(WINDOW_FRAMES)])

    def mel_at(self, starts_N: Indices) -> NDArray[np.float32]:
        """Return mel windows (N, 20, 80) that start at these frames."""
        first_N = mel_columns(1) * starts_N
        return np.asarray(self.mel_SM[first_N[:, None] + np.arange(mel_columns(WINDOW_FRAMES))])


@dataclass(frozen=True, slots=True, eq=False)
class WindowPairs(TrainingBatch):
    """A batch of windows that belong together, row by row.

    mel_NCM: (N, 20, 80). lips_NFLXY: (N, 5, 60, 2). clip_N, start_N: which clip of the batch, and the first frame.
    """

    mel_NCM: torch.Tensor
    lips_NFLXY: torch.Tensor
    clip_N: torch.Tensor
    start_N: torch.Tensor


def sample_pairs(
    speakers: Sequence[Sequence[SyncClip]], per_batch: int, per_clip: int, draw: np.random.Generator
) -> WindowPairs:
    """Draw one clip each of `per_batch` different speakers, and of each clip `per_clip` windows at random times.

    speakers: the clips of each. A speaker with many clips is drawn as often as one with few. Of short clips all
    windows are taken, of few speakers all. Clips without movement, sound or a window are skipped.

    Raises: ValueError - no clip can be used.
    """
    useful = [usable for clips in speakers if (usable := [clip for clip in clips if clip.is_usable])]
    if not useful:
        raise ValueError(
            f"no clip of {len(speakers)} speakers has moving lips, sound and {WINDOW_FRAMES} tracked frames"
        )
    picked = draw.choice(len(useful), min(per_batch, len(useful)), replace=False)
    clips = [useful[i][draw.integers(len(useful[i]))] for i in picked]
    starts = [draw.choice(clip.starts_N, min(per_clip, len(clip.starts_N)), replace=False) for clip in clips]
    pairs = list(zip(clips, starts, strict=True))
    return WindowPairs(
        torch.from_numpy(np.concatenate([clip.mel_at(starts_N) for clip, starts_N in pairs])),
        torch.from_numpy(np.concatenate([clip.lips_at(starts_N) for clip, starts_N in pairs])),
        torch.from_numpy(np.repeat(np.arange(len(clips)), [len(starts_N) for starts_N in starts])),
        torch.from_numpy(np.concatenate(starts)),
    )


def _movement(points_TPXY: Floats, tracked_T: Flags) -> tuple[NDArray[np.float32], bool]:
    """Return lips around the clip's own mean shape, zero where the face was not tracked, and True if they move.

    Divided by the spread of the whole clip: the amplitude depends on the speaker and has a score of its own.
    """
    lips_TLXY = np.zeros((len(tracked_T), LIP_POINTS, 2), np.float32)
    if not tracked_T.any():
        return lips_TLXY, False
    seen_TPXY = np.asarray(points_TPXY, np.float64)[tracked_T]
    seen_TLXY = FaceFrame.of(seen_TPXY).enter(seen_TPXY[:, LIPS])
    seen_TLXY -= seen_TLXY.mean(axis=0)
    spread = float(seen_TLXY.std())
    if spread < _LEAST_SPREAD:
        return lips_TLXY, False
    lips_TLXY[tracked_T] = seen_TLXY / spread
    return lips_TLXY, True


def _sound(mel_SM: Floats) -> tuple[NDArray[np.float32], bool]:
    """Return mel around each band's own mean, and True if there is a sound."""
    floored_SM = np.maximum(mel_SM, mel_SM.max(initial=-np.inf) - _LOUDNESS_RANGE).astype(np.float64)
    around_SM = floored_SM - floored_SM.mean(axis=0) if len(floored_SM) else floored_SM
    spread = float(around_SM.std()) if len(around_SM) else 0.0
    if spread < _LEAST_SPREAD:
        return np.zeros(mel_SM.shape, np.float32), False
    return (around_SM / spread).astype(np.float32), True


def _starts(tracked_T: Flags) -> Indices:
    if len(tracked_T) < WINDOW_FRAMES:
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.lib.stride_tricks.sliding_window_view(tracked_T, WINDOW_FRAMES).all(axis=1))


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Strengths of the augmentation."""

    mel_noise: float = 0.5
    """Standard deviation of noise on normalised mel, whose spread is 1."""

    lip_noise: float = 0.2
    """The same on normalised lips."""

    pitch_bands: int = 3
    """Largest shift of a voice in mel bands, up or down, as by a shorter or longer vocal tract."""

    mirrored: float = 0.5
    """Share of clips whose mouth is mirrored."""


STANDARD: Final = Disturbance()

_LIP_BOUNDARIES: Final = ("lip_upper_outer", "lip_upper_inner", "lip_lower_inner", "lip_lower_outer")


def other_way_round() -> Tensor:
    """Return indices (60,) of the lip points with each boundary from right to left, as in a mirror."""
    order = [np.arange(SLICES[name].start, SLICES[name].stop)[::-1] - LIPS.start for name in _LIP_BOUNDARIES]
    return torch.from_numpy(np.concatenate(order))


def disturb(pairs: WindowPairs, draw: np.random.Generator, how: Disturbance = STANDARD) -> WindowPairs:
    """Mirror some mouths, move the voices' pitch, add noise. The same generator state, the same batch."""
    mirrored_N, bands_N = _per_clip(pairs, draw, how)
    flipped_NFLXY = pairs.lips_NFLXY[:, :, other_way_round()] * torch.tensor([-1.0, 1.0])
    lips_NFLXY = torch.where(mirrored_N[:, None, None, None], flipped_NFLXY, pairs.lips_NFLXY)
    reach_M = torch.arange(pairs.mel_NCM.shape[2])
    from_NM = (reach_M[None, :] - bands_N[:, None]).clamp(0, len(reach_M) - 1)
    mel_NCM = pairs.mel_NCM.gather(2, from_NM[:, None, :].expand_as(pairs.mel_NCM))
    return replace(
        pairs,
        mel_NCM=mel_NCM + how.mel_noise * _noise(mel_NCM, draw),
        lips_NFLXY=lips_NFLXY + how.lip_noise * _noise(lips_NFLXY, draw),
    )


def _per_clip(pairs: WindowPairs, draw: np.random.Generator, disturbance: Disturbance) -> tuple[Tensor, Tensor]:
    """Draw for each window, alike within a clip: True if mirrored, and the shift in bands."""
    clips = int(pairs.clip_N.max()) + 1
    mirrored = torch.from_numpy(draw.random(clips) < disturbance.mirrored)
    bands = torch.from_numpy(draw.integers(-disturbance.pitch_bands, disturbance.pitch_bands + 1, clips))
    return mirrored[pairs.clip_N], bands[pairs.clip_N]


def _noise(like: Tensor, draw: np.random.Generator) -> Tensor:
    return torch.from_numpy(draw.standard_normal(tuple(like.shape), dtype=np.float32))
