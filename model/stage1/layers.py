"""Building blocks of the landmark generator. Normalisation is per frame: nothing mixes statistics along time."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.features.landmarks import PREDICTED
from heterodub.model.stage1.linear import COMPONENTS, LinearMotion
from heterodub.schemas.contract import MEL_COLUMNS_PER_FRAME, MEL_CONTEXT_COLUMNS


class ValidResBlock(nn.Module):
    """Two unpadded convolutions beside a shortcut: (B, D, C) -> (B, D, (C - 5) // stride + 1)."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.body = nn.Sequential(
            nn.Conv1d(width, width, 3),
            nn.SiLU(),
            nn.Conv1d(width, width, 3, stride=stride),
        )
        self.act = nn.SiLU()

    def forward(self, values_BDC: Tensor) -> Tensor:
        """Apply the block."""
        summed: Tensor = self.act(self.body(values_BDC) + values_BDC[:, :, 2 : -2 : self.stride])
        return summed


class ValidResBlock2d(nn.Module):
    """Two convolutions beside a shortcut, padded along the bands alone.

    (B, H, M, C) -> (B, H, M, (C - 5) // stride + 1): strides go along the columns.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=(1, 0)),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, stride=(1, stride), padding=(1, 0)),
        )
        self.act = nn.SiLU()

    def forward(self, values_BHMC: Tensor) -> Tensor:
        """Apply the block."""
        summed: Tensor = self.act(self.body(values_BHMC) + values_BHMC[..., 2 : -2 : self.stride])
        return summed


class LinearSkip(nn.Module):
    """Fixed linear map from a clip's speech features to the departure from rest, see linear.py.

    (B, 4T + 16, M) -> (B, T, 100, 2), M the speech features.

    It moves nothing until `set` gives it one. It is stored with the weights.
    """

    kernel: Tensor
    bias: Tensor
    basis: Tensor

    def __init__(self, speech_width: int) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.zeros(COMPONENTS, speech_width, MEL_CONTEXT_COLUMNS))
        self.register_buffer("bias", torch.zeros(COMPONENTS))
        self.register_buffer("basis", torch.zeros(COMPONENTS, 2 * len(PREDICTED)))

    def set(self, linear: LinearMotion) -> None:
        """Take the map that was fitted to a train split."""
        for buffer, values in (
            (self.kernel, linear.kernel_KMC),
            (self.bias, linear.bias_K),
            (self.basis, linear.basis_KY),
        ):
            buffer.copy_(torch.as_tensor(values))

    def forward(self, mel_BCM: Tensor) -> Tensor:
        """Apply the map."""
        scores_BKT = functional.conv1d(mel_BCM.transpose(1, 2), self.kernel, self.bias, stride=MEL_COLUMNS_PER_FRAME)
        moved_BTY: Tensor = scores_BKT.transpose(1, 2) @ self.basis
        return moved_BTY.reshape(*moved_BTY.shape[:2], len(PREDICTED), 2)


class PointEncoder(nn.Module):
    """Convolutions along the points of a face, frame by frame: (B, T, P, 2) -> (B, T, D)."""

    def __init__(self, points: int, channels: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(2, channels, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv1d(channels, channels, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv1d(channels, channels, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(channels * -(-points // 8), width),
        )

    def forward(self, points_BTPXY: Tensor) -> Tensor:
        """Apply the encoder."""
        clips, frames = points_BTPXY.shape[:2]
        embedded: Tensor = self.body(points_BTPXY.flatten(0, 1).transpose(1, 2))
        return embedded.reshape(clips, frames, -1)


class TimeBlock(nn.Module):
    """Two convolutions along time beside a shortcut: (B, D, T) -> (B, D, T)."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.body = nn.Sequential(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, padding_mode="replicate"),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, kernel, padding=kernel // 2, padding_mode="replicate"),
        )

    def forward(self, values_BDT: Tensor) -> Tensor:
        """Apply the block."""
        summed: Tensor = values_BDT + self.body(self.norm(values_BDT.transpose(1, 2)).transpose(1, 2))
        return summed


class AxisConv(nn.Module):
    """A convolution along one axis of maps (B, H, T, P), beside a shortcut: smooth in time, smooth along the face."""

    def __init__(self, axis: Literal["time", "points"], channels: int, kernel: int = 3) -> None:
        super().__init__()
        shape, pad = ((kernel, 1), (kernel // 2, 0)) if axis == "time" else ((1, kernel), (0, kernel // 2))
        self.conv = nn.Conv2d(channels, channels, shape, padding=pad, padding_mode="replicate")
        self.act = nn.SiLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the convolution."""
        summed: Tensor = maps + self.act(self.conv(maps))
        return summed
