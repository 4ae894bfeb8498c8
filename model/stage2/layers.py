"""Layers of stage 2's networks.

Weights are initialised so that signals keep their variance (arXiv 1502.01852). With torch's default initialisation each
gated layer passed a fifth of the signal; after five layers neither the U-Net's small maps nor the appearance vector
reached the picture, and gradients nearly vanished.

Shape suffix legend: B = pictures, C = channels, H, W = height and width of a map, D = values of an appearance vector.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE: Final = 0.2
"""Negative slope of the leaky rectifiers."""

_AFTER_RECTIFIER: Final = (2 / (1 + SLOPE**2)) ** 0.5
"""Gain that compensates for the variance a rectifier removes."""

_AFTER_GATE: Final = _AFTER_RECTIFIER / 0.293**0.5
"""The same where a gate follows: 0.293 is the mean square of a sigmoid of normal values."""


class Conv(nn.Module):
    """A convolution with its activation: gated (arXiv 1806.03589: features times a learned gate) or plain."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        self.body = nn.Conv2d(
            in_channels, 2 * out_channels if gated else out_channels, kernel, stride, (kernel - 1) // 2
        )
        _init_normal(self.body.weight[:out_channels], _AFTER_GATE if gated else _AFTER_RECTIFIER)
        _init_normal(self.body.weight[out_channels:], 1.0)  # the gates, if there are any
        assert self.body.bias is not None
        nn.init.zeros_(self.body.bias)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        """Apply the layer: (B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride)."""
        output: Tensor = self.body(maps_BCHW)
        if not self.gated:
            return functional.leaky_relu(output, SLOPE)
        features, gate = output.chunk(2, dim=1)
        return functional.leaky_relu(features, SLOPE) * torch.sigmoid(gate)


class AdaInBlock(nn.Module):
    """Residual block with adaptive instance normalisation (arXiv 1703.06868): a dense layer maps the appearance vector
    to scale and shift.
    """

    def __init__(self, channels: int, vector: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.affine = nn.Linear(vector, 4 * channels)
        for layer, gain in ((self.first, _AFTER_RECTIFIER), (self.second, _AFTER_RECTIFIER), (self.affine, 1.0)):
            init_weights(layer, gain)

    def forward(self, maps_BCHW: Tensor, vector_BD: Tensor) -> Tensor:
        """(B, C, H, W) and (B, D) -> (B, C, H, W)."""
        scale_1, shift_1, scale_2, shift_2 = self.affine(vector_BD)[..., None, None].chunk(4, dim=1)
        inner = self.first(functional.leaky_relu(_normed(maps_BCHW) * (1 + scale_1) + shift_1, SLOPE))
        change: Tensor = self.second(functional.leaky_relu(_normed(inner) * (1 + scale_2) + shift_2, SLOPE))
        return maps_BCHW + change


def init_weights(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> None:
    """Initialise a layer so that its output is `gain` times as strong as its input; zero bias."""
    _init_normal(layer.weight, gain)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def _init_normal(weight: Tensor, gain: float) -> None:
    if weight.numel():
        nn.init.normal_(weight, std=gain / weight[0].numel() ** 0.5)


def _normed(maps_BCHW: Tensor) -> Tensor:
    return functional.instance_norm(maps_BCHW)


def upsample2x(maps_BCHW: Tensor) -> Tensor:
    """Double height and width, nearest neighbour."""
    return functional.interpolate(maps_BCHW, scale_factor=2.0, mode="nearest")
