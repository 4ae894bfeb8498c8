"""Augmentation of sync batches that keeps timing: variations of mouth and voice beyond the few recorded speakers.

Changes of mouth and voice are drawn once per clip, so that they do not reveal which windows of the clip belong
together; noise is drawn for every value.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from heterodub.model.features.landmarks import LIPS, SLICES
from heterodub.model.syncnet.windows import WindowPairs


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
