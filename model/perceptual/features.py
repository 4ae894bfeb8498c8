"""What all feature networks share, and the distances that are taken from them.

Shape suffix legend: B = pictures, C = channels, H, W = height and width.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Features(Protocol):
    """A frozen network: pictures (B, 3, H, W) in 0..1 to maps of its stages, from shallow to deep."""

    @property
    def name(self) -> str:
        """Network and origin of its weights, as it stands in run parameters and beside scores."""

    def __call__(self, pictures_BCHW: Tensor) -> list[Tensor]:
        """Maps by stage."""


def stage_distances(made: Sequence[Tensor], true: Sequence[Tensor]) -> list[Tensor]:
    """How far apart two sets of maps are, by stage, one number a picture (B,): mean of |made - true| over mean of
    |true|, so that no stage outweighs another. 0: alike. Taken in 32 bits, whatever the maps' format.
    """
    pairs = ((one.float(), other.float()) for one, other in zip(made, true, strict=True))
    return [
        (one - other).abs().mean(dim=(1, 2, 3)) / other.abs().mean(dim=(1, 2, 3)).clamp_min(1e-6)
        for one, other in pairs
    ]


def perceptual_distance(features: Features, made_BCHW: Tensor, true_BCHW: Tensor, stages: int | None = None) -> Tensor:
    """Mean over the first `stages` (all, if None) of the stages' distances: (B,). The truth's maps take no gradient."""
    with torch.no_grad():
        true = features(true_BCHW)[:stages]
    return torch.stack(stage_distances(features(made_BCHW)[:stages], true)).mean(dim=0)
