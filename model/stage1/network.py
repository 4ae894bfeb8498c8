"""The landmark generator G_l: speech, pose and reference landmarks to the landmarks of lips and outline.

Follows section 3.2.1 of "Towards Realistic Visual Dubbing with Heterogeneous Sources": three encoders whose outputs
are fused by trainable weights that sum to one, and a decoder of transposed convolutions with a head for the outline
and one for the lips. All coordinates are those of the face frame (model/features/face_frame.py).

Nothing looks further along time than `LandmarkGenerator.reach` frames, and nothing is normalised along time, so a
long clip may be predicted in pieces without seams (see inference.py).

Shape suffix legend: B = clips, T = frames, C = mel columns (4T + 16), M = 80 mel bands, R = reference frames,
P = points, XY = 2 coordinates, D = width of an embedding, H = channels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from heterodub.model.features.landmarks import BOUNDARIES, OUTLINE, POSE, PREDICTED
from heterodub.model.stage1.layers import AxisConv, LinearSkip, PointEncoder, TimeBlock, ValidResBlock, ValidResBlock2d
from heterodub.model.stage1.linear import LinearMotion
from heterodub.schemas.config.training import GeneratorArchitecture
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME, MEL_CONTEXT_COLUMNS

_LIP_CURVES: Final = [boundary for boundary in BOUNDARIES if boundary.part == "lips"]
_FACE_POINTS: Final = OUTLINE.stop - OUTLINE.start
_LIP_POINTS: Final = _LIP_CURVES[0].points
EXTRA_COLUMNS: Final = MEL_CONTEXT_COLUMNS - MEL_COLUMNS_PER_FRAME
"""Mel columns a window of frames needs beyond its own: 16, of which 10 before the first frame's first column."""


class MelEncoder(nn.Module):
    """Residual convolutions over each frame's window of 20 columns (200 ms); bands, or senones, are channels.

    None of them pads: 20 columns shrink to one embedding. One pass over a whole clip, with a total stride of 4 columns,
    therefore equals a pass over each frame's window, and computes shared columns once.
    """

    def __init__(self, width: int, bands: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(bands, width, 4, stride=2),  # 20 columns -> 9
            nn.SiLU(),
            ValidResBlock(width, stride=1),  # -> 5
            ValidResBlock(width, stride=2),  # -> 1
        )

    def forward(self, mel_BCM: Tensor) -> Tensor:
        """(B, 4T + 16, 80) -> (B, T, D)."""
        embedded: Tensor = self.body(mel_BCM.transpose(1, 2))
        return embedded.transpose(1, 2)


class MelEncoder2d(nn.Module):
    """Residual convolutions over bands and columns of each frame's 80 x 20 window, as the paper has it after Wav2Lip.

    They pad along the bands alone, so that one pass over a clip equals a pass over each window, as in MelEncoder.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, (5, 4), stride=2, padding=(2, 0)),  # 80 x 20 -> 40 x 9
            nn.SiLU(),
            ValidResBlock2d(channels, stride=1),  # -> 40 x 5
            nn.Conv2d(channels, 2 * channels, (3, 1), stride=(2, 1), padding=(1, 0)),  # -> 20 x 5
            nn.SiLU(),
            ValidResBlock2d(2 * channels, stride=2),  # -> 20 x 1
            nn.Conv2d(2 * channels, 4 * channels, (3, 1), stride=(2, 1), padding=(1, 0)),  # -> 10 x 1
            nn.SiLU(),
        )
        self.out = nn.Linear(4 * channels * MEL_BANDS // 8, width)

    def forward(self, mel_BCM: Tensor) -> Tensor:
        """(B, 4T + 16, 80) -> (B, T, D)."""
        maps_BHMT: Tensor = self.body(mel_BCM.transpose(1, 2)[:, None])
        embedded: Tensor = self.out(maps_BHMT.flatten(1, 2).transpose(1, 2))
        return embedded


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
                    AxisConv("points", channels),
                    AxisConv("time", channels, kernel),
                )
            )
        self.out = nn.Conv2d(channels, 2 * curves, 1)

    def forward(self, embedded_BDT: Tensor) -> Tensor:
        """(B, D, T) -> (B, T, curves * points, 2)."""
        clips, _, frames = embedded_BDT.shape
        seeds: Tensor = self.seed(embedded_BDT)
        maps = seeds.reshape(clips, self.channels, self.seed_points, frames).transpose(2, 3)  # (B, H, T, P)
        for grow in self.grow:
            maps = grow(maps)
        points: Tensor = self.out(maps)[..., : self.points]  # (B, curves * XY, T, P)
        apart = points.reshape(clips, -1, 2, frames, self.points)
        return apart.permute(0, 3, 1, 4, 2).flatten(2, 3)


class LandmarkGenerator(nn.Module):
    """G_l of the paper. `architecture` sets its widths; `fusion` holds the trainable weights as they are used."""

    predicted: Tensor
    posed: Tensor
    pose_filter: Tensor

    def __init__(self, architecture: GeneratorArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        width, kernel = architecture.width, architecture.time_kernel
        self.mel = (
            MelEncoder2d(width, architecture.mel_channels)
            if architecture.mel_encoder == "2d"
            else MelEncoder(width, MEL_BANDS)
        )
        scores = architecture.speech_width - MEL_BANDS
        self.senones = MelEncoder(width, scores) if scores else None
        self.skip = LinearSkip(architecture.speech_width) if architecture.linear_skip else None
        self.pose = PointEncoder(len(POSE), architecture.point_channels, width)
        self.reference = PointEncoder(LANDMARK_POINTS, architecture.point_channels, width)
        self.fusion_logits = nn.Parameter(torch.zeros(3))
        self.time = nn.Sequential(
            *(TimeBlock(width, kernel, architecture.dropout) for _ in range(architecture.time_blocks))
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(3))
        self.face = LandmarkDecoder(width, architecture.decoder_channels, 1, _FACE_POINTS, kernel)
        self.lips = LandmarkDecoder(width, architecture.decoder_channels, len(_LIP_CURVES), _LIP_POINTS, kernel)
        self.register_buffer("predicted", torch.as_tensor(PREDICTED), persistent=False)
        self.register_buffer("posed", torch.as_tensor(POSE), persistent=False)
        self.register_buffer("pose_filter", torch.zeros(2 * len(POSE), 2 * len(POSE)).fill_diagonal_(1))
        init_weights(self)

    def set_pose_filter(self, filter_FF: NDArray[np.float32]) -> None:
        """Set the linear filter of the pose input, (232, 232); see pose_filter.py. It is stored with the weights."""
        self.pose_filter.copy_(torch.as_tensor(filter_FF))

    def set_linear(self, linear: LinearMotion) -> None:
        """Set the linear map that the network predicts on top of, where its architecture has the skip path."""
        if self.skip is not None:
            self.skip.set(linear)

    @property
    def fusion(self) -> Tensor:
        """W: weights of speech, pose and reference, (3,), which sum to 1 by construction (softmax)."""
        return self.fusion_logits.softmax(0)

    @property
    def reach(self) -> int:
        """Number of frames to either side that one output frame depends on, beside its own 200 ms of sound."""
        return (self.architecture.time_kernel // 2) * (2 * self.architecture.time_blocks + 3)

    def forward(self, mel_BCM: Tensor, pose_BTPXY: Tensor, reference_BRPXY: Tensor, used_BR: Tensor) -> Tensor:
        """Predict points in the face frame.

        mel_BCM: (B, 4T + 16, 80 or 206), see features.GeneratorInput. pose_BTPXY: (B, T, 116, 2). reference_BRPXY:
        (B, R, 216, 2), of which those with used_BR (B, R) true count, at least one per clip. Returns (B, T, 100, 2),
        outline before lips, as landmarks.PREDICTED orders them.

        Raises: ValueError - the lengths do not fit together.
        """
        if mel_BCM.shape[1] != MEL_COLUMNS_PER_FRAME * pose_BTPXY.shape[1] + EXTRA_COLUMNS:
            raise ValueError(f"{pose_BTPXY.shape[1]} frames do not fit {mel_BCM.shape[1]} mel columns")
        share_BR = used_BR.float() / used_BR.float().sum(1, keepdim=True)
        rest = (reference_BRPXY * share_BR[..., None, None]).sum(1, keepdim=True)
        turned = (pose_BTPXY - rest.index_select(2, self.posed)) / self.architecture.output_scale
        turned = (turned.flatten(2) @ self.pose_filter).reshape(turned.shape)
        sound = self.mel(mel_BCM[..., :MEL_BANDS])
        if self.senones is not None:
            sound = sound + self.senones(mel_BCM[..., MEL_BANDS:])
        pose = self.pose(turned)
        reference = (self.reference(reference_BRPXY) * share_BR[..., None]).sum(1, keepdim=True)  # global: one per clip
        # of one size, so that the weights are shares
        parts = [norm(part) for norm, part in zip(self.norms, (sound, pose, reference), strict=True)]
        weight = self.fusion
        fused = self.time((weight[0] * parts[0] + weight[1] * parts[1] + weight[2] * parts[2]).transpose(1, 2))
        change = torch.cat([self.face(fused), self.lips(fused)], dim=2)
        points = rest.index_select(2, self.predicted) + self.architecture.output_scale * change
        return points if self.skip is None else points + self.skip(mel_BCM)


def init_weights(generator: LandmarkGenerator) -> None:
    """Initialise weights so that signals keep their size (He et al.); the heads start at zero change."""
    for module in generator.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for head in (generator.face, generator.lips):
        nn.init.zeros_(head.out.weight)


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the losses added to the paper's L1 (equation 2)."""

    velocity: float
    motion: float


def landmark_loss(
    predicted: Tensor, target: Tensor, counts_BT: Tensor, weights: LossWeights, average: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Compute the losses by name over the frames that count; "total" is the one that is minimised.

    "l1": the paper's. "velocity": the same on frame-to-frame differences. "motion": the same on the lips' departure
    from their mean over the window. Errors that are constant over a window (identity, head pose) make up the larger
    part of L1 and hide the smaller part that only the sound explains; "motion" measures that part alone.

    predicted, target: (B, T, 100, 2). counts_BT: bool. `average`: mean of a number over all devices, so that each frame
    weighs the same wherever it lies.
    """
    mask = counts_BT[..., None, None].float()
    off = predicted - target
    l1 = _masked_mean(off.abs(), mask, average)
    velocity = _masked_mean(off.diff(dim=1).abs(), mask[:, 1:] * mask[:, :-1], average)
    lips = off[:, :, _FACE_POINTS:]
    steady = (lips * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp_min(1)
    motion = _masked_mean((lips - steady).abs(), mask, average)
    total = l1 + weights.velocity * velocity + weights.motion * motion
    return {"l1": l1, "velocity": velocity, "motion": motion, "total": total}


def _masked_mean(values: Tensor, mask: Tensor, average: Callable[[Tensor], Tensor]) -> Tensor:
    weight = mask.expand_as(values)
    return (values * weight).sum() / average(weight.sum()).clamp_min(1e-9)
