"""Interface of feature networks, and perceptual distances over their stages.

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
        """Network and origin of its weights, for run parameters and reports."""

    def __call__(self, pictures_BCHW: Tensor) -> list[Tensor]:
        """Return the maps by stage."""


def stage_distances(generated: Sequence[Tensor], true: Sequence[Tensor]) -> list[Tensor]:
    """Return the distance of two sets of maps by stage, one number a picture (B,): mean of |generated - true| over
    mean of |true|, so that no stage outweighs another. 0: alike. Computed in 32 bits, whatever the maps' format.
    """
    pairs = ((maps.float(), true_maps.float()) for maps, true_maps in zip(generated, true, strict=True))
    return [
        (maps - true_maps).abs().mean(dim=(1, 2, 3)) / true_maps.abs().mean(dim=(1, 2, 3)).clamp_min(1e-6)
        for maps, true_maps in pairs
    ]


def perceptual_distance(
    features: Features, generated_BCHW: Tensor, true_BCHW: Tensor, stages: int | None = None
) -> Tensor:
    """Return the mean of the first `stages` (None: all) distances: (B,). The true pictures' maps take no gradient."""
    with torch.no_grad():
        true = features(true_BCHW)[:stages]
    return torch.stack(stage_distances(features(generated_BCHW)[:stages], true)).mean(dim=0)
