"""Pieces of stage 2's networks.

Shape suffix legend: B = pictures, C = channels, H, W = height and width of a map, D = values of an appearance vector.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Conv(nn.Module):
    """A convolution with its activation: gated (arXiv 1806.03589: features times a learned gate) or plain."""

    def __init__(self, given: int, made: int, kernel: int, stride: int = 1, *, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        self.body = nn.Conv2d(given, 2 * made if gated else made, kernel, stride, (kernel - 1) // 2)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, made, H / stride, W / stride)."""
        made: Tensor = self.body(maps_BCHW)
        if not self.gated:
            return functional.leaky_relu(made, 0.2)
        features, gate = made.chunk(2, dim=1)
        return functional.leaky_relu(features, 0.2) * torch.sigmoid(gate)


class AdaInBlock(nn.Module):
    """A residual block whose instance normalisation takes its scale and shift from the appearance vector, by a dense
    layer (arXiv 1703.06868).
    """

    def __init__(self, channels: int, vector: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.affine = nn.Linear(vector, 4 * channels)

    def forward(self, maps_BCHW: Tensor, vector_BD: Tensor) -> Tensor:
        """(B, C, H, W) and (B, D) -> (B, C, H, W)."""
        scale_1, shift_1, scale_2, shift_2 = self.affine(vector_BD)[..., None, None].chunk(4, dim=1)
        inner = self.first(functional.leaky_relu(_normed(maps_BCHW) * (1 + scale_1) + shift_1, 0.2))
        change: Tensor = self.second(functional.leaky_relu(_normed(inner) * (1 + scale_2) + shift_2, 0.2))
        return maps_BCHW + change


def _normed(maps_BCHW: Tensor) -> Tensor:
    return functional.instance_norm(maps_BCHW)


def doubled(maps_BCHW: Tensor) -> Tensor:
    """Each pixel twice in both directions."""
    return functional.interpolate(maps_BCHW, scale_factor=2.0, mode="nearest")
