"""The translator: embedder E and landmark-translation generator G_v of section 3.3 of "Towards Realistic Visual Dubbing
with Heterogeneous Sources".

G_v is a U-Net with gated convolutions on the way down and up, and AdaIN residual blocks at the smallest maps alone.
Beside the paper's inputs it can take reference frames warped by the landmarks (warp.py). The output then is a blend of
the warped frames plus a residual, mixed with a synthesised picture by a gate. With small training budgets that helps
more than any loss, since a warped frame is sharp before the first step. An untrained translator almost reproduces the
nearest warped frame.

Shape suffix legend: B = frames, R = reference frames, K = warped candidates, C = channels, W = side of the window in
pixels, D = values of the appearance vector.
"""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.stage2.composite import CHANNELS, LINES
from heterodub.model.stage2.layers import AdaInBlock, Conv, init_weights, upsample2x
from heterodub.schemas.config.translation import TranslatorArchitecture

_GATE_BIAS: Final = 2.0
"""Bias of the gate towards the warped frames: with a logit of 0, an eighth is synthesised."""

_INITIAL_GATE_BIAS: Final = 2.0
"""Further initial bias of the gate: 1 / (1 + e^4), a fiftieth, since an untrained synthesised picture is grey."""

_INITIAL_BLEND_BIAS: Final = 3.0
"""Initial bias of the blend towards the nearest warped frame: of two it gets 0.95. A mean of several is blurred."""

_INITIAL_RESIDUAL_SCALE: Final = 0.02
"""Initial scale of the residual on the warped frames, of full scale: small, for they are nearly right, yet above 0, so
that gradients reach the layers before it from the first step."""


class Embedder(nn.Module):
    """E: maps reference frames with their landmarks to an appearance vector, the mean over any number of frames."""

    def __init__(self, width: int, vector: int) -> None:
        super().__init__()
        sizes = (3 + LINES, width, 2 * width, 4 * width, 4 * width)
        self.body = nn.Sequential(*(Conv(before, after, 3, 2, gated=False) for before, after in pairwise(sizes)))
        self.out = nn.Linear(4 * width, vector)
        init_weights(self.out)

    def forward(self, reference_BRCWW: Tensor) -> Tensor:
        """Embed pictures in -1..1 with drawn landmarks: (B, R, 3 + LINES, W, W) -> (B, D)."""
        clips, frames = reference_BRCWW.shape[:2]
        maps: Tensor = self.body(reference_BRCWW.flatten(0, 1))
        vectors = self.out(maps.mean(dim=(2, 3)))
        vectors = functional.layer_norm(vectors, vectors.shape[-1:])  # averages over a picture are small; AdaIN wants 1
        mean: Tensor = vectors.reshape(clips, frames, -1).mean(dim=1)
        return mean


class Generator(nn.Module):
    """G_v: maps composites in their context, an appearance vector and warped candidates to generated windows."""

    def __init__(self, architecture: TranslatorArchitecture) -> None:
        super().__init__()
        self.candidates, self.context = architecture.candidates, architecture.context
        width, gated = architecture.width, architecture.gated
        in_channels = (2 * architecture.context + 1) * CHANNELS + 3 * architecture.candidates
        self.down_1 = Conv(in_channels, width, 4, 2, gated=gated)
        self.down_2 = Conv(width, 2 * width, 4, 2, gated=gated)
        self.down_3 = Conv(2 * width, 4 * width, 4, 2, gated=gated)
        self.blocks = nn.ModuleList(
            AdaInBlock(4 * width, architecture.embedding_dim) for _ in range(architecture.blocks)
        )
        self.up_3 = Conv(4 * width, 2 * width, 3, gated=gated)
        self.up_2 = Conv(4 * width, width, 3, gated=gated)
        self.up_1 = nn.Conv2d(2 * width, 4 * (width // 2), 3, padding=1)
        self.fine = Conv(width // 2 + CHANNELS + 3 * architecture.candidates, width // 2, 3, gated=gated)
        self.out = nn.Conv2d(
            width // 2, 3 + (4 + architecture.candidates if architecture.candidates else 0), 3, padding=1
        )
        init_weights(self.up_1)
        init_weights(self.out, _INITIAL_RESIDUAL_SCALE)
        if architecture.candidates:
            self._init_blend()

    def _init_blend(self) -> None:
        assert self.out.bias is not None
        with torch.no_grad():
            self.out.bias[6], self.out.bias[7] = -_INITIAL_GATE_BIAS, _INITIAL_BLEND_BIAS

    def forward(self, inputs_BCWW: Tensor, vector_BD: Tensor, warped_BKWW: Tensor) -> Tensor:
        """Generate windows (B, 3, W, W) in 0..1.

        inputs_BCWW: composite.in_context. warped_BKWW: candidates in 0..1, colours beside each other, (B, 3 K, W, W).
        """
        inputs = torch.cat([inputs_BCWW, warped_BKWW * 2 - 1], dim=1)
        half = self.down_1(inputs)
        quarter = self.down_2(half)
        maps = self.down_3(quarter)
        for block in self.blocks:
            maps = block(maps, vector_BD)
        maps = self.up_3(upsample2x(maps))
        maps = self.up_2(upsample2x(torch.cat([maps, quarter], dim=1)))
        maps = functional.pixel_shuffle(self.up_1(torch.cat([maps, half], dim=1)), 2)
        middle = inputs_BCWW[:, self.context * CHANNELS : (self.context + 1) * CHANNELS]
        output: Tensor = self.out(self.fine(torch.cat([maps, middle, warped_BKWW * 2 - 1], dim=1)))
        return self._mixed(output, warped_BKWW)

    def _mixed(self, output_BCWW: Tensor, warped_BKWW: Tensor) -> Tensor:
        """Mix the synthesised picture with the blend of warped frames and its residual, by the gate."""
        synthesised = torch.sigmoid(output_BCWW[:, :3])
        if not self.candidates:
            return synthesised
        change, share = torch.tanh(output_BCWW[:, 3:6]), torch.sigmoid(output_BCWW[:, 6:7] - _GATE_BIAS)
        weights = output_BCWW[:, 7:].softmax(dim=1).repeat_interleave(3, dim=1)
        parts = (weights * warped_BKWW).reshape(len(weights), -1, *synthesised.shape[1:])
        mixed: Tensor = (1 - share) * (parts.sum(dim=1) + change) + share * synthesised
        return mixed.clamp(0, 1)


class LandmarkTranslator(nn.Module):
    """Embedder E and generator G_v."""

    def __init__(self, architecture: TranslatorArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.embedder = Embedder(max(4, architecture.width // 2), architecture.embedding_dim)
        self.generator = Generator(architecture)

    def forward(self, inputs_BCWW: Tensor, reference_BRCWW: Tensor, warped_BKWW: Tensor, frames: int) -> Tensor:
        """Generate windows of B = windows * frames frames; each run of `frames` uses one row of references."""
        vector = self.embedder(reference_BRCWW).repeat_interleave(frames, dim=0)
        generated: Tensor = self.generator(inputs_BCWW, vector, warped_BKWW)
        return generated
