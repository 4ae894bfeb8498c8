"""The landmark generator G_l: speech, pose and reference landmarks to the landmarks of lips and outline.

Follows section 3.2.1 of "Towards Realistic Visual Dubbing with Heterogeneous Sources": three encoders whose outputs
are fused by trainable weights that sum to one, and a decoder of transposed convolutions with a head for the outline
and one for the lips. All coordinates are those of the face frame (model/features/face_frame.py).

Nothing looks further along time than `LandmarkGenerator.reach` frames, and nothing is normalised along time, so a
long clip may be predicted in pieces without seams (see inference.py).

Shape suffix legend: B = clips, T = frames, C = mel columns (4T + 16), M = 80 mel bands, R = reference frames,
P = points, XY = 2 coordinates, D = width of an embedding, H = channels.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

from model.features.landmarks import BOUNDARIES, OUTLINE, POSE, PREDICTED
from model.stage1.layers import Along, PointEncoder, ResidualBlock2d, TimeBlock
from schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME, MEL_CONTEXT_COLUMNS
from schemas.training import GeneratorShape

_LIP_CURVES: Final = [boundary for boundary in BOUNDARIES if boundary.part == "lips"]
_FACE_POINTS: Final = OUTLINE.stop - OUTLINE.start
_LIP_POINTS: Final = _LIP_CURVES[0].points
EXTRA_COLUMNS: Final = MEL_CONTEXT_COLUMNS - MEL_COLUMNS_PER_FRAME
"""Mel columns a window of frames needs beyond its own: 16, of which 10 before the first frame's first column."""


class MelEncoder(nn.Module):
    """Residual convolutions over each frame's 80 x 20 window (200 ms), on its own."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            nn.Conv2d(1, half, 3, stride=(1, 2), padding=1),
            nn.SiLU(),
            ResidualBlock2d(half, channels, stride=(2, 2)),
            ResidualBlock2d(channels, channels, stride=(2, 2)),
            ResidualBlock2d(channels, channels, stride=(1, 2)),
        )
        self.out = nn.Linear(channels * (MEL_CONTEXT_COLUMNS // 4) * (MEL_BANDS // 16), width)

    def forward(self, mel_BCM: Tensor) -> Tensor:
        """(B, 4T + 16, 80) -> (B, D, T)."""
        windows = mel_BCM.unfold(1, MEL_CONTEXT_COLUMNS, MEL_COLUMNS_PER_FRAME)  # (B, T, 80, 20)
        clips, frames = windows.shape[:2]
        maps = self.body(windows.transpose(2, 3).flatten(0, 1).unsqueeze(1))
        embedded: Tensor = self.out(maps.flatten(1))
        return embedded.unflatten(0, (clips, frames)).transpose(1, 2)


class LandmarkDecoder(nn.Module):
    """Transposed convolutions from an embedding per frame to the points of one part of the face.

    `curves` boundaries of `points` each are grown side by side as channels, so that a convolution along the points
    sees the places of all curves that lie above each other, as those of the four lip boundaries do.
    """

    def __init__(self, width: int, channels: int, curves: int, points: int, kernel: int) -> None:
        super().__init__()
        self.seed_points = -(-points // 8)
        self.seed = nn.Conv1d(width, channels * self.seed_points, 1)
        self.channels, self.points = channels, points
        self.grow = nn.ModuleList()
        for _ in range(3):
            self.grow.append(
                nn.Sequential(
                    nn.ConvTranspose2d(channels, channels, (1, 4), stride=(1, 2), padding=(0, 1)),
                    nn.SiLU(),
                    Along("points", channels),
                    Along("time", channels, kernel),
                )
            )
        self.out = nn.Conv2d(channels, 2 * curves, 1)
        nn.init.zeros_(self.out.weight)  # training starts from the reference itself
        nn.init.zeros_(self.out.bias if self.out.bias is not None else torch.empty(0))

    def forward(self, embedded_BDT: Tensor) -> Tensor:
        """(B, D, T) -> (B, T, curves * points, 2)."""
        maps = self.seed(embedded_BDT).unflatten(1, (self.channels, self.seed_points)).transpose(2, 3)  # (B, H, T, P)
        for grow in self.grow:
            maps = grow(maps)
        maps = self.out(maps)[..., : self.points].unflatten(1, (-1, 2))  # (B, curves, XY, T, P)
        return maps.permute(0, 3, 1, 4, 2).flatten(2, 3)


class LandmarkGenerator(nn.Module):
    """G_l of the paper. `shape` sets its widths; `fusion` holds the trainable weights as they are used."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.shape = shape
        width, kernel = shape.width, shape.time_kernel
        self.mel = MelEncoder(shape.mel_channels, width)
        self.pose = PointEncoder(len(POSE), shape.point_channels, width)
        self.reference = PointEncoder(LANDMARK_POINTS, shape.point_channels, width)
        self.fusion_logits = nn.Parameter(torch.zeros(3))
        self.time = nn.Sequential(*(TimeBlock(width, kernel, shape.dropout) for _ in range(shape.time_blocks)))
        self.face = LandmarkDecoder(width, shape.decoder_channels, 1, _FACE_POINTS, kernel)
        self.lips = LandmarkDecoder(width, shape.decoder_channels, len(_LIP_CURVES), _LIP_POINTS, kernel)
        self.register_buffer("predicted", torch.as_tensor(PREDICTED), persistent=False)

    @property
    def fusion(self) -> Tensor:
        """W: weights of speech, pose and reference, (3,), which sum to 1 by construction (softmax)."""
        return self.fusion_logits.softmax(0)

    @property
    def reach(self) -> int:
        """Frames to either side that one output frame depends on, beside its own 200 ms of sound."""
        return (self.shape.time_kernel // 2) * (2 * self.shape.time_blocks + 3)

    def forward(self, mel_BCM: Tensor, pose_BTPXY: Tensor, reference_BRPXY: Tensor, used_BR: Tensor) -> Tensor:
        """Predicted points in the face frame.

        mel_BCM: (B, 4T + 16, 80) scaled by features.scale_mel. pose_BTPXY: (B, T, 116, 2). reference_BRPXY:
        (B, R, 216, 2), of which those with used_BR (B, R) true count, at least one per clip. Returns (B, T, 100, 2),
        outline before lips, as landmarks.PREDICTED orders them.

        Raises: ValueError - the lengths do not fit together.
        """
        if mel_BCM.shape[1] != MEL_COLUMNS_PER_FRAME * pose_BTPXY.shape[1] + EXTRA_COLUMNS:
            raise ValueError(f"{pose_BTPXY.shape[1]} frames do not fit {mel_BCM.shape[1]} mel columns")
        share_BR = used_BR.float() / used_BR.float().sum(1, keepdim=True)
        sound = self.mel(mel_BCM)
        pose = self.pose(pose_BTPXY).transpose(1, 2)
        known = (self.reference(reference_BRPXY) * share_BR[..., None]).sum(1)[..., None]  # global: one per clip
        weight = self.fusion
        fused = self.time(weight[0] * sound + weight[1] * pose + weight[2] * known)
        change = torch.cat([self.face(fused), self.lips(fused)], dim=2)
        start = (reference_BRPXY.index_select(2, self.predicted) * share_BR[..., None, None]).sum(1, keepdim=True)
        return start + self.shape.output_scale * change


def l1_loss(predicted: Tensor, target: Tensor, counts_BT: Tensor, velocity: float) -> dict[str, Tensor]:
    """Losses by name, over frames that count: "l1" is the paper's (equation 2), "velocity" the same on differences.

    predicted, target: (B, T, 100, 2). counts_BT: bool. `velocity` weighs the second in "total".
    """
    mask = counts_BT[..., None, None].float()
    l1 = _masked_mean((predicted - target).abs(), mask)
    both = mask[:, 1:] * mask[:, :-1]
    moved = _masked_mean((predicted.diff(dim=1) - target.diff(dim=1)).abs(), both)
    return {"l1": l1, "velocity": moved, "total": l1 + velocity * moved}


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    weight = mask.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp_min(1)


def padded(values_BT: Tensor, before: int, after: int) -> Tensor:
    """Values with the first and last frame repeated along the second axis."""
    return F.pad(values_BT.flatten(2).transpose(1, 2), (before, after), mode="replicate").transpose(1, 2).unflatten(
        2, values_BT.shape[2:]
    )
