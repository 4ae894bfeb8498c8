"""Variation of mouths in training, so that a few people stand for many: crops are moved, turned, stretched and bent
with their points, lit anew, blurred, and the first mesh's mouth is opened and widened at random.

Shape suffix legend: B = mouths of a batch, S = pixels of a side, K = refined points, XY = 2 coordinates, of points in
units of the mouth's frame, of a grid -1..1 over the crop's side (grid_sample's).
"""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from heterodub.tasks.faces.mouth_crop import BELOW, CROP_PX, CROP_UNITS
from tests.bench.mouth_footage import STORED_PX

LIP_POINTS: Final = 60

_STRETCH, _TURN, _SHEAR, _SHIFT, _BEND = 0.10, 0.08, 0.06, 0.03, 0.035
"""Standard deviations: of log sizes, radians, a slant, and of shifts and bends over half the stored side."""

_BEND_CELLS, _BEND_GRID = 5, 16

_OPENED, _WIDENED, _MOVED, _CHIN_MOVED = 0.1, 0.04, 0.01, 0.02
"""Standard deviations by which the first mesh's mouth is varied: log height and width, shifts of lips and chin."""

_GREY: Final = 0.2
_COARSE: Final = 0.4
_BLURRED: Final = 0.4
"""Shares of grey crops, and of batches of which a part is coarse or blurred."""


@dataclass(frozen=True, slots=True)
class MouthBatch:
    """B mouths: crops_B3SS of levels 0..255, points of the first mesh and of the second."""

    crops_B3SS: Tensor
    seen_BKXY: Tensor
    true_BKXY: Tensor

    def varied(self, rng: torch.Generator) -> Self:
        """Bend, light and shake the mouths: stored crops become crops of CROP_PX."""
        bend = Bend.drawn(len(self.crops_B3SS), rng)
        seen, true = (bend.points(points) for points in (self.seen_BKXY, self.true_BKXY))
        return type(self)(lit(_softened(bend.crops(self.crops_B3SS), rng), rng), shaken(seen, rng), true)


@dataclass(frozen=True, slots=True)
class Bend:
    """A map from the grid of a crop to that of the stored one: linear, a shift, and a smooth field on top."""

    matrix_B22: Tensor
    shift_B1XY: Tensor
    field_BXYSS: Tensor

    @classmethod
    def drawn(cls, count: int, rng: torch.Generator) -> Self:
        angle = _normal(rng, count) * _TURN
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack([cos, -sin + _normal(rng, count) * _SHEAR, sin, cos], dim=1).view(-1, 2, 2)
        matrix = matrix * torch.exp(_normal(rng, count, 1, 2) * _STRETCH) * (CROP_PX / STORED_PX)
        field = _normal(rng, count, 2, _BEND_CELLS, _BEND_CELLS) * _BEND
        field = functional.interpolate(field, size=(_BEND_GRID, _BEND_GRID), mode="bicubic", align_corners=True)
        return cls(matrix, _normal(rng, count, 1, 2) * _SHIFT, field)

    def __call__(self, grid_BNXY: Tensor) -> Tensor:
        sampled = functional.grid_sample(
            self.field_BXYSS, grid_BNXY[:, None], align_corners=True, padding_mode="border"
        )
        return grid_BNXY @ self.matrix_B22.mT + self.shift_B1XY + sampled[:, :, 0].mT

    def crops(self, stored_B3SS: Tensor) -> Tensor:
        axis = (torch.arange(CROP_PX) + 0.5) / CROP_PX * 2 - 1
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2)
        places = self(grid.expand(len(stored_B3SS), -1, -1)).view(-1, CROP_PX, CROP_PX, 2)
        return functional.grid_sample(stored_B3SS, places, align_corners=False, padding_mode="border")

    def points(self, points_BKXY: Tensor) -> Tensor:
        """Invert the map for points, by a fixed point: the field is small."""
        middle = points_BKXY.new_tensor([0.0, BELOW])
        target = (points_BKXY - middle) / (CROP_UNITS * STORED_PX / CROP_PX / 2)
        inverse = torch.linalg.inv(self.matrix_B22).mT
        grid = (target - self.shift_B1XY) @ inverse
        for _ in range(3):
            grid = grid + (target - self(grid)) @ inverse
        return grid * (CROP_UNITS / 2) + middle


def _softened(crops_B3SS: Tensor, rng: torch.Generator) -> Tensor:
    """Make a part of the crops coarse and a part blurred."""
    count = len(crops_B3SS)
    order = torch.randperm(count, generator=rng)
    if float(_uniform(rng, 0, 1)) < _COARSE:
        some, side = order[: count // 2], int(_uniform(rng, 14, 40))
        small = functional.interpolate(crops_B3SS[some], size=(side, side), mode="area")
        coarse = functional.interpolate(small, size=crops_B3SS.shape[-2:], mode="bilinear")
        crops_B3SS = crops_B3SS.index_copy(0, some, coarse)
    if float(_uniform(rng, 0, 1)) < _BLURRED:
        some = order[count // 3 :]
        crops_B3SS = crops_B3SS.index_copy(0, some, _blurred(crops_B3SS[some], float(_uniform(rng, 0.5, 2.5))))
    return crops_B3SS


def _blurred(crops_B3SS: Tensor, sigma_px: float) -> Tensor:
    kernel = torch.exp(-(torch.arange(-5.0, 6.0) ** 2) / (2 * sigma_px**2))
    kernel = kernel / kernel.sum()
    planes = functional.pad(crops_B3SS.flatten(0, 1)[:, None], (5, 5, 5, 5), mode="replicate")
    planes = functional.conv2d(functional.conv2d(planes, kernel[None, None, None]), kernel[None, None, :, None])
    return planes.view_as(crops_B3SS)


def lit(crops_B3SS: Tensor, rng: torch.Generator) -> Tensor:
    """Vary colour, light, its direction, and noise."""
    count = len(crops_B3SS)
    grey = _uniform(rng, 0, 1, count, 1, 1, 1) < _GREY
    crops = torch.where(grey, crops_B3SS.mean(1, keepdim=True), crops_B3SS).clamp(0, 255)
    crops = 255 * (crops / 255) ** torch.exp(_uniform(rng, -0.4, 0.4, count, 1, 1, 1))
    crops = crops * torch.exp(_uniform(rng, -0.2, 0.2, count, 3, 1, 1)) + _uniform(rng, -12, 12, count, 3, 1, 1)
    ramp = torch.linspace(-1, 1, CROP_PX)
    aside, above = (_uniform(rng, -0.35, 0.35, count, 1, 1, 1) for _ in range(2))
    crops = crops * (1 + aside * ramp + above * ramp[:, None])
    return (crops + _uniform(rng, 0, 4, count, 1, 1, 1) * _normal(rng, *crops.shape)).clamp(0, 255)


def shaken(seen_BKXY: Tensor, rng: torch.Generator) -> Tensor:
    """Vary the first mesh's mouth, whose errors differ by person: the picture is to be believed, not it."""
    count = len(seen_BKXY)
    lips, chin = seen_BKXY[:, :LIP_POINTS], seen_BKXY[:, LIP_POINTS:]
    middle = lips.mean(1, keepdim=True)
    lips = (lips - middle) * torch.exp(_normal(rng, count, 1, 2) * torch.tensor([_WIDENED, _OPENED])) + middle
    lips, chin = lips + _normal(rng, count, 1, 2) * _MOVED, chin + _normal(rng, count, 1, 2) * _CHIN_MOVED
    return torch.cat([lips, chin], dim=1)


def _normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng)


def _uniform(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.rand(shape, generator=rng) * (high - low) + low
