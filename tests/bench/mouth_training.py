"""Training of the mouth refiner (heterodub.tasks.faces.mouth_refiner) in torch; fit_mouth_refiner.py is its command.

Shape suffix legend: N = mouths, B = those of a batch, T = frames, D = kinds of damage, S = pixels of a side, K =
refined points, P = 216 points, XY = 2 coordinates, in units of the mouth's frame where not said otherwise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.features.arrays import Array
from heterodub.model.features.landmarks import POSE, interocular
from heterodub.schemas.contract import LANDMARK_POINTS
from heterodub.tasks.faces.mouth_crop import CROP_PX, mouth_frame
from heterodub.tasks.faces.mouth_refiner import (
    LEAST_SPREAD,
    MIRRORED_REFINED,
    POINTS,
    REFINED,
    SHARES,
    STRIDE,
)
from tests.bench.mouth_augmentation import LIP_POINTS, MouthBatch
from tests.bench.mouth_footage import STORED_PX, MouthClip

WIDTHS: Final = (16, 32, 64, 96)
HIDDEN: Final = 128
DROPOUT: Final = 0.1

BATCH: Final = 32
LEARNING_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 0.05
WARM_UP: Final = 50
AVERAGED: Final = 0.99
"""Decay of the moving average of the weights, which is what is kept."""

NEAR: Final = 0.1
"""Distance, in units of the mouth's frame, below which errors are squared."""

CHIN_LOSS: Final = 0.2
OPENING_LOSS: Final = 2.0
SPREAD_LOSS: Final = 0.1
"""Weights beside the lips' points: of the chin, on which the meshes differ most, of the gap between the lips, and of
its spread over a batch, since least squares open mouths the less the less sure the network is.
"""

NORM_BATCHES: Final = 60

MOST_APART: Final = 0.1
"""Distance of the meshes' brows, eyes and noses over the eyes' distance up to which v2's mouth is learned from."""

_MOST_SHARE: Final = 0.7
_MIDDLE: Final = slice(4, 11)


def are_alike(clip: MouthClip) -> NDArray[np.bool_]:
    """Return for each frame and damage (T, D) if both meshes see the face in one place."""
    apart = np.linalg.norm(clip.seen_TDPXY[..., POSE, :] - clip.true_TDPXY[..., POSE, :], axis=-1).mean(axis=-1)
    return np.asarray(apart < MOST_APART * interocular(clip.true_TDPXY))


@dataclass(frozen=True, slots=True, eq=False)
class Mouths:
    """Examples of a training. seen, true: points of the first mesh and of the second. chance_N: of being drawn."""

    crops_NSS3: NDArray[np.uint8]
    seen_NKXY: NDArray[np.float32]
    true_NKXY: NDArray[np.float32]
    chance_N: NDArray[np.float64]

    @classmethod
    def of(cls, clips: Sequence[MouthClip]) -> Self:
        """Collect the mouths of clips. A speaker's are drawn more often the more there are, but less than in step."""
        crops, seen, true, who = [], [], [], []
        for clip in clips:
            alike = are_alike(clip)
            crops.append(clip.crops_TDSS3[alike])
            pairs = [in_frame(*pair) for pair in zip(clip.seen_TDPXY[alike], clip.true_TDPXY[alike], strict=True)]
            seen += [pair[0] for pair in pairs]
            true += [pair[1] for pair in pairs]
            who += [clip.speaker] * len(pairs)
        _, number_N, counts = np.unique(who, return_inverse=True, return_counts=True)
        chance_N = counts[number_N] ** -_MOST_SHARE
        return cls(np.concatenate(crops), np.stack(seen), np.stack(true), chance_N / chance_N.sum())

    def batch(self, draw: np.random.Generator) -> MouthBatch:
        """Draw a batch; half of them are mirrored."""
        rows = draw.choice(len(self.chance_N), BATCH, p=self.chance_N)
        crops = torch.from_numpy(self.crops_NSS3[rows]).permute(0, 3, 1, 2).float()
        seen, true = torch.from_numpy(self.seen_NKXY[rows]), torch.from_numpy(self.true_NKXY[rows])
        return (
            MouthBatch(crops.flip(-1), mirrored(seen), mirrored(true))
            if draw.random() < 0.5
            else MouthBatch(crops, seen, true)
        )


def in_frame(seen_PXY: NDArray[np.float32], true_PXY: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the refined points of both (216, 2; pixels) in the frame of the first one's mouth: two (K, 2)."""
    frame = mouth_frame(seen_PXY)
    return [frame.enter(points[None, REFINED])[0].astype(np.float32) for points in (seen_PXY, true_PXY)]


def mirrored(points_BKXY: Tensor) -> Tensor:
    """Return the points of mirrored mouths."""
    return points_BKXY[:, MIRRORED_REFINED] * torch.tensor([-1.0, 1.0])


class TorchMouthRefiner(nn.Module):
    """The network with gradients; batches are normed in training, and the norms go into the weights that are kept."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in pairwise((3, *widths)):
            layers += [nn.Conv2d(before, width, 3, STRIDE, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        cells = (CROP_PX // STRIDE ** len(widths)) ** 2
        self.hidden = nn.Linear(cells * widths[-1] + 2 * POINTS, HIDDEN)
        self.drop = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN + 2 * POINTS, 2 * POINTS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, crops_B3SS: Tensor, seen_BKXY: Tensor) -> Tensor:
        """Move the points: (B, K, 2) -> (B, K, 2)."""
        shape = seen_BKXY.flatten(1)
        pixels = self.convolutions(normalised(crops_B3SS)).permute(0, 2, 3, 1).flatten(1)
        hidden = self.drop(functional.relu(self.hidden(torch.cat([pixels, shape], dim=1))))
        shifts = self.out(torch.cat([hidden, shape], dim=1)).view_as(seen_BKXY)
        return torch.add(seen_BKXY, shifts * torch.from_numpy(SHARES)[:, None])

    def arrays(self) -> dict[str, Array]:
        """Return the weights as MouthRefiner takes them."""
        arrays: dict[str, Array] = {}
        layers: list[Any] = list(self.convolutions)
        for number, (convolution, norm) in enumerate(zip(layers[::3], layers[1::3], strict=True)):
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            kernels = (convolution.weight * gain[:, None, None, None]).permute(2, 3, 1, 0).flatten(0, 2)
            arrays[f"convolutions.{number}.weights"] = kernels.detach().numpy()
            arrays[f"convolutions.{number}.bias"] = (norm.bias - norm.running_mean * gain).detach().numpy()
        for name, layer in (("hidden", self.hidden), ("out", self.out)):
            arrays[f"{name}.weights"] = layer.weight.detach().numpy().T.copy()
            arrays[f"{name}.bias"] = layer.bias.detach().numpy()
        return arrays


def normalised(crops_B3SS: Tensor) -> Tensor:
    """Take brightness and contrast out, as heterodub.tasks.faces.mouth_refiner does."""
    centred = crops_B3SS - crops_B3SS.mean((1, 2, 3), keepdim=True)
    return centred / ((centred**2).mean((1, 2, 3), keepdim=True).sqrt() + LEAST_SPREAD)


def train(mouths: Mouths, steps: int, seed: int) -> TorchMouthRefiner:
    """Train a network. The same mouths, steps and seed give the same one on one machine."""
    torch.manual_seed(seed)
    rng, draw = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    network = TorchMouthRefiner()
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGED),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
    )
    for _ in range(steps):
        batch = mouths.batch(draw).varied(rng)
        loss = _loss(network(batch.crops_B3SS, batch.seen_BKXY), batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rate.step()
        average.update_parameters(network)
    return _normed(average.module, mouths, draw)


@torch.no_grad()
def _normed(network: Any, mouths: Mouths, draw: np.random.Generator) -> TorchMouthRefiner:
    """Take the norms' statistics anew from crops as they are: varied ones differ more from each other."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches
    network.train()
    for _ in range(NORM_BATCHES):
        batch = mouths.batch(draw)
        network(_middle(batch.crops_B3SS), batch.seen_BKXY)
    averaged: TorchMouthRefiner = network.eval()
    return averaged


def _middle(stored_B3SS: Tensor) -> Tensor:
    """Cut what the network sees at runtime out of stored crops."""
    edge = (STORED_PX - CROP_PX) // 2
    return stored_B3SS[..., edge:-edge, edge:-edge]


def _loss(found_BKXY: Tensor, batch: MouthBatch) -> Tensor:
    true = batch.seen_BKXY + (batch.true_BKXY - batch.seen_BKXY) * torch.from_numpy(SHARES)[:, None]
    lips, chin = slice(None, LIP_POINTS), slice(LIP_POINTS, None)
    return (
        _apart(found_BKXY[:, lips], true[:, lips])
        + CHIN_LOSS * _apart(found_BKXY[:, chin], true[:, chin])
        + OPENING_LOSS * _apart(_opening(found_BKXY), _opening(true))
        + SPREAD_LOSS * (_opening(found_BKXY).std() / _opening(true).std() - 1) ** 2
    )


def _apart(found: Tensor, true: Tensor) -> Tensor:
    """Squared where near: the median, which absolute differences lead to, shuts mouths that are open now and then."""
    return functional.smooth_l1_loss(found, true, beta=NEAR)


def _opening(points_BKXY: Tensor) -> Tensor:
    """Gap between the inner lips, as heterodub.model.features.landmarks measures it: (B,)."""
    _, upper, lower, _ = points_BKXY[:, :LIP_POINTS, 1].view(len(points_BKXY), 4, -1).unbind(1)
    return (lower - upper)[:, _MIDDLE].mean(1)


def refined(network: TorchMouthRefiner, clip: MouthClip) -> NDArray[np.float32]:
    """Refine the mouths of a clip as at runtime, all kinds of damage: (T, D, 216, 2), pixels."""
    seen_NPXY = clip.seen_TDPXY.reshape(-1, LANDMARK_POINTS, 2)
    frames = [mouth_frame(points) for points in seen_NPXY]
    seen = np.stack([frame.enter(one[None, REFINED])[0] for frame, one in zip(frames, seen_NPXY, strict=True)])
    crops = torch.from_numpy(clip.crops_TDSS3.reshape(-1, STORED_PX, STORED_PX, 3)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = network(_middle(crops).float(), torch.from_numpy(seen.astype(np.float32))).numpy()
    moved = seen_NPXY.copy()
    moved[:, REFINED] = [frame.leave(one[None])[0] for frame, one in zip(frames, found, strict=True)]
    return moved.reshape(clip.seen_TDPXY.shape)
