"""Layers of the baselines: a U-Net with an optional condition vector, and a joint encoder of pictures and speech.

Convolutions, point encoder and speech encoder are those of our own two stages, so that the systems differ by method and
not by their layers.

Shape suffix legend: B = pictures or pairs, C = channels, S = side of a crop in pixels, H, W = height and width of a
map, D = values of an embedding, M = 80 mel bands, K = 20 mel columns.
"""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.stage1.network import MelEncoder
from heterodub.model.stage2.layers import Conv, upsample2x
from heterodub.schemas.config.baselines import BaselineArchitecture
from heterodub.schemas.contract import MEL_BANDS

_SMALLEST_PX: Final = 4
"""Side of the smallest maps. Sides that come to an odd number end there: 96 at 3, 160 at 5."""

_MOST: Final = 8
"""Largest number of channels of a map, as a multiple of the first width."""


class AudioEncoder(nn.Module):
    """Embeds one frame's 200 ms of speech: stage 1's encoder, residual convolutions without padding."""

    def __init__(self, vector: int) -> None:
        super().__init__()
        self.body = MelEncoder(vector, MEL_BANDS)

    def forward(self, mel_BMK: Tensor) -> Tensor:
        """Embed scaled mel windows: (..., 80, 20) -> (..., D)."""
        embedded: Tensor = self.body(mel_BMK.flatten(0, -3).transpose(1, 2))[:, 0]
        return embedded.reshape(*mel_BMK.shape[:-2], -1)


class Residual(nn.Module):
    """Two convolutions beside a shortcut: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels, 3, gated=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        """Apply the block."""
        return functional.leaky_relu(maps_BCHW + self.second(self.first(maps_BCHW)), 0.2)


class UNet(nn.Module):
    """U-Net down to some 4 x 4 pixels, where a condition vector is concatenated, with skip connections on the way up.

    vector: length of the vector; 0 for none. residual: a residual block behind each convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        architecture: BaselineArchitecture,
        vector: int = 0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        widths = _widths(architecture.side_px, architecture)
        self.down = nn.ModuleList(
            _step(before, after, 4, 2, residual=residual) for before, after in pairwise([in_channels, *widths])
        )
        self.join = _step(widths[-1] + vector, widths[-1], 3, 1, residual=residual)
        self.up = nn.ModuleList(
            _step(below + width, width, 3, 1, residual=residual) for width, below in pairwise(widths)
        )
        fine = architecture.width // 2
        self.last = nn.Conv2d(architecture.width, 4 * fine, 3, padding=1)
        self.fine = Conv(fine + in_channels, fine, 3, gated=False)
        self.out = nn.Conv2d(fine, out_channels, 3, padding=1)

    def forward(self, maps_BCSS: Tensor, vector_BD: Tensor | None = None) -> Tensor:
        """Map (B, in_channels, S, S) and, with a condition, (B, D) to (B, out_channels, S, S), unbounded."""
        sizes, maps = [], maps_BCSS
        for down in self.down:
            maps = down(maps)
            sizes.append(maps)
        if vector_BD is not None:
            maps = torch.cat([maps, vector_BD[:, :, None, None].expand(-1, -1, *maps.shape[2:])], dim=1)
        maps = self.join(maps)
        for up, skip in zip(reversed(self.up), reversed(sizes[:-1]), strict=True):
            maps = up(torch.cat([upsample2x(maps), skip], dim=1))
        maps = functional.pixel_shuffle(self.last(maps), 2)
        output: Tensor = self.out(self.fine(torch.cat([maps, maps_BCSS], dim=1)))
        return output


def _widths(side_px: int, architecture: BaselineArchitecture) -> list[int]:
    """Return the channels behind each halving of a side, down to the smallest maps."""
    halvings = 0
    while side_px >> halvings > _SMALLEST_PX and (side_px >> halvings) % 2 == 0:
        halvings += 1
    return [architecture.width * min(2**number, _MOST) for number in range(halvings)]


def _step(in_channels: int, out_channels: int, kernel: int, stride: int, *, residual: bool) -> nn.Sequential:
    return nn.Sequential(
        Conv(in_channels, out_channels, kernel, stride, gated=False), *([Residual(out_channels)] if residual else [])
    )


class SyncNet(nn.Module):
    """Two towers that embed pictures and speech in one space, as in SyncNet (Chung and Zisserman, 2016): the distance
    of two embeddings says whether they belong together.
    """

    def __init__(self, frames: int, height_px: int, architecture: BaselineArchitecture) -> None:
        """frames: number of consecutive pictures, stacked along the channels. height_px: of each."""
        super().__init__()
        widths = _widths(height_px, architecture)
        smallest = (height_px >> len(widths)) * (architecture.side_px >> len(widths))
        self.sees = nn.Sequential(
            *(
                nn.Sequential(Conv(before, after, 4, 2, gated=False), nn.GroupNorm(1, after))
                for before, after in pairwise([3 * frames, *widths])
            ),
            nn.Flatten(),
            nn.Linear(widths[-1] * smallest, architecture.embedding_dim),
        )
        self.hears = nn.Sequential(AudioEncoder(architecture.embedding_dim), nn.LayerNorm(architecture.embedding_dim))

    def forward(self, pictures_BCHW: Tensor, mel_BMK: Tensor) -> tuple[Tensor, Tensor]:
        """Embed pictures (B, 3 frames, height, S) in 0..1 and mel windows (B, 80, 20): two tensors (B, D)."""
        picture_BD: Tensor = self.sees(pictures_BCHW * 2 - 1)
        speech_BD: Tensor = self.hears(mel_BMK)
        return picture_BD, speech_BD


def lower_half(pictures_BCSS: Tensor) -> Tensor:
    """Cut the rows from the middle down, (..., S, S) -> (..., S / 2, S), which LipGAN and Wav2Lip hide and score."""
    return pictures_BCSS[..., pictures_BCSS.shape[-2] // 2 :, :]


def lower_half_hidden(pictures_BCSS: Tensor) -> Tensor:
    """Set the lower half of pictures (..., S, S) to zero."""
    return torch.cat([pictures_BCSS[..., : pictures_BCSS.shape[-2] // 2, :], 0 * lower_half(pictures_BCSS)], dim=-2)
