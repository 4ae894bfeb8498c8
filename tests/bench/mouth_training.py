"""Training of the mouth refiner (heterodub.tasks.faces.mouth_refiner) in torch; fit_mouth_refiner.py is its command.

Shape suffix legend: B = mouths of a batch, C = channels, S = pixels of a side, K = points that are refined, XY = 2
coordinates in units of the mouth's frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.features.arrays import Array, Floats
from heterodub.model.features.landmarks import LANDMARK_POINTS, MIRRORED
from heterodub.tasks.faces.mouth_crop import BELOW, CROP_PX, CROP_UNITS, mouth_frame
from heterodub.tasks.faces.mouth_refiner import MIRRORED_REFINED, POINTS, REFINED, SHARES
from tests.bench.mouth_footage import DAMAGES, STORED_PX, MouthClip

WIDTHS: Final = (16, 32, 64, 96)
HIDDEN: Final = 128
DROPOUT: Final = 0.3
BATCH: Final = 64
LEARNING_RATE: Final = 2e-3
DECAY: Final = 0.995
OPENING_LOSS: Final = 1.0

@dataclass(frozen=True, slots=True, eq=False)
class Mouths:
    """N mouths. crops_NSS3 uint8; seen_NKXY and true_NKXY: points of the first mesh and of the second one. who_N:
    number of the speaker.
    """

    crops_NSS3: NDArray[np.uint8]
    seen_NKXY: NDArray[np.float32]
    true_NKXY: NDArray[np.float32]
    weight_N: NDArray[np.float64]

    @classmethod
    def of(cls, clips: Sequence[MouthClip]) -> "Mouths":
        crops, seen, true, who = [], [], [], []
        for clip in clips:
            flat_seen = clip.seen_TDPXY.reshape(-1, LANDMARK_POINTS, 2)
            flat_true = clip.true_TDPXY.reshape(-1, LANDMARK_POINTS, 2)
            crops.append(clip.crops_TDSS3.reshape(-1, STORED_PX, STORED_PX, 3))
            pairs = [in_frame(one, other) for one, other in zip(flat_seen, flat_true, strict=True)]
            seen.append(np.stack([one for one, _ in pairs]))
            true.append(np.stack([other for _, other in pairs]))
            who += [clip.speaker] * len(pairs)
        names, number, counts = np.unique(who, return_inverse=True, return_counts=True)
        weights = 1 / np.maximum(counts[number], 75 * len(DAMAGES)) ** 0.7
        return cls(np.concatenate(crops), np.concatenate(seen), np.concatenate(true), weights / weights.sum())


def in_frame(seen_PXY: Floats, true_PXY: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    frame = mouth_frame(seen_PXY)
    return tuple(frame.enter(points[None, REFINED])[0].astype(np.float32) for points in (seen_PXY, true_PXY))


SHARE: Final = torch.from_numpy(SHARES)[None, :, None]


class TorchMouthRefiner(nn.Module):
    """The network with gradients."""

    def __init__(self, channels: int = 3, layout=((3, 2, 16), (3, 2, 32), (3, 2, 64), (3, 2, 96))) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, side = channels, CROP_PX
        for kernel, stride, width in layout:
            layers += [nn.Conv2d(before, width, kernel, stride, 1 if kernel == 3 else 0, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before, side = width, side // stride
        self.channels = channels
        self.convolutions = nn.Sequential(*layers)
        shape = 2 * POINTS
        self.hidden = nn.Linear(before * side**2 + shape, HIDDEN)
        self.drop = nn.Dropout(DROPOUT)
        self.out = nn.Linear(HIDDEN + shape, shape)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, crops_BCSS: Tensor, seen_BKXY: Tensor) -> Tensor:
        """Move the points: (B, K, 2) -> (B, K, 2)."""
        shape = seen_BKXY.flatten(1)
        features = self.convolutions(normalised(crops_BCSS, self.channels)).flatten(1)
        hidden = self.drop(functional.relu(self.hidden(torch.cat([features, shape], dim=1))))
        return seen_BKXY + SHARE * self.out(torch.cat([hidden, shape], dim=1)).view_as(seen_BKXY)


def normalised(crops_BCSS: Tensor, channels: int) -> Tensor:
    if channels == 1:
        crops_BCSS = crops_BCSS.mean(1, keepdim=True)
    mean = crops_BCSS.mean((1, 2, 3), keepdim=True)
    spread = crops_BCSS.std((1, 2, 3), keepdim=True, correction=0)
    return (crops_BCSS - mean) / (spread + 4.0)


# --- augmentation

def _to_grid(points: Tensor, side: int) -> Tensor:
    """Units of the frame -> coordinates of grid_sample (-1..1 over `side` pixels)."""
    middle = points.new_tensor([0.0, BELOW])
    return (points - middle) / (CROP_UNITS * side / CROP_PX / 2)


def _from_grid(grid: Tensor, side: int) -> Tensor:
    return grid * (CROP_UNITS * side / CROP_PX / 2) + grid.new_tensor([0.0, BELOW])


def bent(crops: Tensor, seen: Tensor, true: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Cut (B, 3, CROP_PX, CROP_PX) out of stored crops, moved, turned, stretched and bent, and the points with them."""
    count = len(crops)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng)

    scale = torch.exp(normal(count, 2) * torch.tensor([0.10, 0.10]))
    angle = normal(count) * 0.08
    shear = normal(count) * 0.06
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * scale[:, None]
    matrix[:, 0, 1] += shear
    shift = normal(count, 2) * 0.03  # of stored half side
    field = functional.interpolate(normal(count, 2, 5, 5) * 0.035, size=(16, 16), mode="bicubic", align_corners=True)

    def place(points: Tensor) -> Tensor:
        """Grid of the result (of CROP_PX) -> grid of the stored crop."""
        flat = points.reshape(count, -1, 2)
        bend = functional.grid_sample(field, flat[:, None], align_corners=True, padding_mode="border")[:, :, 0].transpose(1, 2)
        moved = (flat @ matrix.transpose(1, 2)) * (CROP_PX / STORED_PX) + shift[:, None] + bend
        return moved.reshape(points.shape)

    axis = (torch.arange(CROP_PX) + 0.5) / CROP_PX * 2 - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).expand(count, -1, -1, -1)
    out = functional.grid_sample(crops, place(grid), align_corners=False, padding_mode="border")
    inverse = torch.linalg.inv(matrix) * (STORED_PX / CROP_PX)
    results = []
    for points in (seen, true):
        aim = _to_grid(points, STORED_PX)
        at = ((aim - shift[:, None]) @ inverse.transpose(1, 2))
        for _ in range(3):
            at = at + ((aim - place(at)) @ inverse.transpose(1, 2))
        results.append(_from_grid(at, CROP_PX))
    return out, results[0], results[1]


def lit(crops: Tensor, rng: torch.Generator) -> Tensor:
    """Vary light, colour, sharpness and noise."""
    count = len(crops)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(shape, generator=rng) * (high - low) + low

    kind = torch.rand(3, generator=rng)
    part = torch.randperm(count, generator=rng)
    if kind[0] < 0.4:
        some = part[: count // 2]
        low = int(torch.randint(14, 40, (1,), generator=rng))
        small = functional.interpolate(crops[some], size=(low, low), mode="area")
        crops = crops.index_copy(0, some, functional.interpolate(small, size=crops.shape[-2:], mode="bilinear"))
    if kind[1] < 0.4:
        some = part[count // 3 :]
        sigma = float(uniform(0.5, 2.5))
        axis = torch.arange(-5, 6)
        kernel = torch.exp(-(axis**2) / (2 * sigma**2))
        kernel = kernel / kernel.sum()
        blurred = functional.conv2d(functional.pad(crops[some].flatten(0, 1)[:, None], (5, 5, 5, 5), mode="replicate"), kernel[None, None, None])
        blurred = functional.conv2d(blurred, kernel[None, None, :, None]).reshape(len(some), 3, CROP_PX, CROP_PX)
        crops = crops.index_copy(0, some, blurred)
    grey = (torch.rand(count, generator=rng) < 0.2)[:, None, None, None]
    crops = torch.where(grey, crops.mean(1, keepdim=True).expand_as(crops), crops)
    crops = 255 * (crops.clamp(0, 255) / 255) ** torch.exp(uniform(-0.4, 0.4, count, 1, 1, 1))
    crops = crops * torch.exp(uniform(-0.2, 0.2, count, 3, 1, 1)) + uniform(-12, 12, count, 3, 1, 1)
    # a lamp from one side
    ramp = torch.linspace(-1, 1, CROP_PX)
    crops = crops * (1 + uniform(-0.35, 0.35, count, 1, 1, 1) * ramp + uniform(-0.35, 0.35, count, 1, 1, 1) * ramp[:, None])
    noise = uniform(0, 6, count, 1, 1, 1) * torch.randn(crops.shape, generator=rng)
    return (crops + noise).clamp(0, 255)


def shaken(seen: Tensor, rng: torch.Generator) -> Tensor:
    """Vary the first mesh's mouth: opened more or less, wider or narrower; its errors differ by person."""
    count = len(seen)
    middle = seen[:, :60].mean(1, keepdim=True)
    factor = torch.exp(torch.randn((count, 1, 2), generator=rng) * torch.tensor([0.05, 0.2]))
    lips = (seen[:, :60] - middle) * factor + middle + torch.randn((count, 1, 2), generator=rng) * 0.01
    chin = seen[:, 60:] + torch.randn((count, 1, 2), generator=rng) * 0.02
    return torch.cat([lips, chin], 1)


GAP = slice(4, 11)


def opening(points: Tensor) -> Tensor:
    lips = points[:, :60].view(len(points), 4, 15, 2)
    return (lips[:, 2, GAP, 1] - lips[:, 1, GAP, 1]).mean(1)


def train(mouths: Mouths, steps: int, seed: int, channels: int = 3, log: Any = None, options: dict[str, Any] | None = None) -> TorchMouthRefiner:
    options = options or {}
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    draw = np.random.default_rng(seed)
    layout = options.get("layout", ((3, 2, 16), (3, 2, 32), (3, 2, 64), (3, 2, 96)))
    network = TorchMouthRefiner(channels, layout)
    average = TorchMouthRefiner(channels, layout)
    average.load_state_dict(network.state_dict())
    rate = options.get("rate", LEARNING_RATE)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=options.get("decay", 0.05))
    total = 0.0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        rows = draw.choice(len(mouths.weight_N), BATCH, p=mouths.weight_N)
        crops = torch.from_numpy(mouths.crops_NSS3[rows]).permute(0, 3, 1, 2).float()
        seen, true = torch.from_numpy(mouths.seen_NKXY[rows]), torch.from_numpy(mouths.true_NKXY[rows])
        if draw.random() < 0.5:
            crops = crops.flip(-1)
            seen, true = (points[:, MIRRORED_REFINED] * torch.tensor([-1.0, 1.0]) for points in (seen, true))
        crops, seen, true = bent(crops, seen, true, rng)
        crops = lit(crops, rng)
        if options.get("shake", True):
            seen = shaken(seen, rng)
        true = seen + SHARE * (true - seen)
        found = network(crops, seen)
        loss = (found - true).abs().mean() + options.get("gap", OPENING_LOSS) * (opening(found) - opening(true)).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach())
        with torch.no_grad():
            decay = min(DECAY, (step + 1) / (step + 10))
            for one, other in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                if one.dtype.is_floating_point:
                    one.lerp_(other, 1 - decay)
                else:
                    one.copy_(other)
        if log and (step + 1) % 200 == 0:
            log(step + 1, total / 200, average)
            total = 0.0
    return average.eval()


def refined(network: TorchMouthRefiner, crops_NSS3: NDArray[np.uint8], seen_NKXY: NDArray[np.float32]) -> NDArray[np.float32]:
    """Refine mouths of stored crops, as at runtime: the mean over picture and mirror."""
    edge = (STORED_PX - CROP_PX) // 2
    crops = torch.from_numpy(crops_NSS3[:, edge:-edge, edge:-edge]).permute(0, 3, 1, 2).float()
    seen = torch.from_numpy(seen_NKXY)
    flip = torch.tensor([-1.0, 1.0])
    network.eval()
    with torch.inference_mode():
        one = network(crops, seen)
        other = network(crops.flip(-1), seen[:, MIRRORED_REFINED] * flip)[:, MIRRORED_REFINED] * flip
    return ((one + other) / 2).numpy()
