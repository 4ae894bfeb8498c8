"""The discriminators D_vs and D_ot: multi-scale patch discriminators (arXiv 1711.11585) of frames and runs of frames.

They are conditioned on the drawn landmarks, so a real face with another mouth counts as fake too.

Shape suffix legend: B = pictures or runs of pictures, C = channels, W = side of the window in pixels.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from heterodub.model.stage2.composite import LINES
from heterodub.schemas.config.translation import DiscriminatorArchitecture

DiscriminatorFeatures = list[Tensor]
"""Maps of one scale from shallow to deep; the last holds the score of each patch."""


class PatchDiscriminator(nn.Module):
    """Strided convolutions with a score for each patch; spectral norms bound its Lipschitz constant."""

    def __init__(self, in_channels: int, architecture: DiscriminatorArchitecture) -> None:
        super().__init__()
        sizes = [in_channels, *(architecture.width * min(2**layer, 8) for layer in range(architecture.layers))]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 4, 2, 1)) for before, after in pairwise(sizes)
        )
        self.channels = sizes[-1]
        """Channels of the deepest maps before the score."""
        self.verdict = spectral_norm(nn.Conv2d(self.channels, 1, 3, padding=1))

    def forward(self, maps_BCWW: Tensor) -> DiscriminatorFeatures:
        """Return the feature maps of pictures with their lines, the patch scores last."""
        features = []
        for layer in self.layers:
            maps_BCWW = functional.leaky_relu(layer(maps_BCWW), 0.2)
            features.append(maps_BCWW)
        return [*features, self.verdict(maps_BCWW)]


class MultiscaleDiscriminator(nn.Module):
    """A patch discriminator with its own weights at each scale."""

    def __init__(self, frames: int, architecture: DiscriminatorArchitecture) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(frames * (3 + LINES), architecture) for _ in range(architecture.scales)
        )

    def forward(self, maps_BCWW: Tensor) -> list[DiscriminatorFeatures]:
        """Return the features by scale, the finest first."""
        return [
            discriminator(functional.avg_pool2d(maps_BCWW, 2**number) if number else maps_BCWW)
            for number, discriminator in enumerate(self.scales)
        ]


class Discriminators(nn.Module):
    """D_vs and, unless switched off, D_ot."""

    def __init__(self, architecture: DiscriminatorArchitecture, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.spatial = MultiscaleDiscriminator(1, architecture)
        self.temporal = MultiscaleDiscriminator(frames, architecture) if architecture.temporal else None

    def forward(
        self, pictures_BCWW: Tensor, lines_BCWW: Tensor
    ) -> tuple[list[DiscriminatorFeatures], list[DiscriminatorFeatures]]:
        """Return the features of D_vs for each of B = runs * frames frames, and of D_ot for each run ([] if off).

        Pictures (B, 3, W, W) in 0..1. For D_ot, consecutive frames are stacked along the channels.
        """
        inputs = torch.cat([pictures_BCWW * 2 - 1, lines_BCWW], dim=1)
        single = self.spatial(inputs)
        if self.temporal is None:
            return single, []
        return single, self.temporal(inputs.reshape(-1, self.frames * inputs.shape[1], *inputs.shape[2:]))
