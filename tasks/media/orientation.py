"""Orientation of a picture: the turn and mirroring that its display matrix states."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from .side_data import side_data_of

_QUARTER_DEG: Final = 90


@dataclass(frozen=True, slots=True)
class Orientation:
    """Quarter turns clockwise, after an optional left-right mirror: all transformations that keep pixels whole."""

    clockwise_quarters: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """Orientation that the frame's display matrix states, to the nearest quarter turn; upright when it has none."""
        matrix = side_data_of(frame, Type.DISPLAYMATRIX)
        return cls() if matrix is None else cls.from_matrix(matrix)

    @classmethod
    def from_matrix(cls, matrix: np.ndarray) -> "Orientation":
        """From ffmpeg's nine 16.16 numbers: picture (x, y) is shown at (a x + c y, b x + d y)."""
        a, b, c, d = (int(matrix[at]) for at in (0, 1, 3, 4))
        determinant = a * d - b * c
        if determinant == 0:
            return cls()
        mirrored = determinant < 0
        if mirrored:  # take the mirror of x off: what is left is a rotation
            a, b = -a, -b
        return cls(round(math.degrees(math.atan2(b, a)) / _QUARTER_DEG) % 4, mirrored)

    @property
    def rotation_deg(self) -> int:
        """Degrees clockwise: 0, 90, 180 or 270."""
        return self.clockwise_quarters * _QUARTER_DEG

    @property
    def upright(self) -> bool:
        """True if the picture needs no turning or mirroring."""
        return self == Orientation()

    def displayed(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after turning."""
        return (height, width) if self.clockwise_quarters % 2 else (width, height)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) as displayed, contiguous."""
        if self.upright:
            return rgb
        straight = rgb[:, ::-1] if self.mirrored else rgb
        return np.ascontiguousarray(np.rot90(straight, -self.clockwise_quarters))
