"""Variation of mouths in training, so that a few people stand for many: crops are moved, turned, stretched and bent
with their points, tinted, and the first mesh's mouth is opened and widened at random.

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

_TINT: Final = 0.15
"""Standard deviation of the log gain of a colour. Blur, noise and poor light are in the footage as it is damaged."""


@dataclass(frozen=True, slots=True)
class MouthBatch:
    """B mouths: crops_B3SS of levels 0..255, points of the first mesh and of the second."""

    crops_B3SS: Tensor
    seen_BKXY: Tensor
    true_BKXY: Tensor

    def varied(self, rng: torch.Generator) -> Self:
        """Bend, tint and shake the mouths: stored crops become crops of CROP_PX."""
        bend = Bend.drawn(len(self.crops_B3SS), rng)
        seen, true = (bend.points(points) for points in (self.seen_BKXY, self.true_BKXY))
        tint_B311 = torch.exp(_normal(rng, len(seen), 3, 1, 1) * _TINT)
        return type(self)(bend.crops(self.crops_B3SS) * tint_B311, shaken(seen, rng), true)


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
        crops: Tensor = functional.grid_sample(stored_B3SS, places, align_corners=False, padding_mode="border")
        return crops

    def points(self, points_BKXY: Tensor) -> Tensor:
        """Invert the map for points, by a fixed point: the field is small."""
        middle = points_BKXY.new_tensor([0.0, BELOW])
        target = (points_BKXY - middle) / (CROP_UNITS * STORED_PX / CROP_PX / 2)
        inverse = torch.linalg.inv(self.matrix_B22).mT
        grid = (target - self.shift_B1XY) @ inverse
        for _ in range(3):
            grid = grid + (target - self(grid)) @ inverse
        return torch.add(grid * (CROP_UNITS / 2), middle)


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
