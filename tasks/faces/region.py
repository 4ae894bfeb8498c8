"""Position of a face: a detection, the square that a landmark network reads, and its landmarks."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.landmarks import box as box_of

Picture = NDArray[np.uint8]
"""An RGB picture (height, width, 3)."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; may reach over the picture's edge."""


@dataclass(frozen=True, slots=True)
class Region:
    """A square in the picture, turned with the head.

    Centre and side in pixels; roll in degrees, positive when the head is turned clockwise as the viewer sees it.
    scored: the square for a second network, whose score is used; None for the same one.
    """

    x: float
    y: float
    side: float
    roll: float = 0.0
    scored: "Region | None" = None

    def to_picture(self, size_px: int) -> NDArray[np.float64]:
        """Return the matrix (2, 3) from a square crop of `size_px` pixels to picture pixels."""
        scale = self.side / size_px
        cos, sin = scale * math.cos(math.radians(self.roll)), scale * math.sin(math.radians(self.roll))
        half = size_px / 2
        return np.array(
            [
                [cos, -sin, self.x - half * (cos - sin)],
                [sin, cos, self.y - half * (sin + cos)],
            ]
        )


@dataclass(frozen=True, slots=True)
class Detection:
    """A detected face: box in pixels, score 0..1, roll in degrees as in Region."""

    box: Box
    score: float
    roll: float = 0.0


@dataclass(frozen=True, eq=False)
class FaceLandmarks:
    """Landmarks of one face in one picture, with their score and its pose.

    points: (216, 2) float32 in the order of heterodub.model.features.landmarks, pixels of the whole picture.
    score: the network's confidence that the region holds a face, 0..1.
    yaw, pitch, roll: head pose in degrees, signs as in heterodub.tasks.faces.points.
    next_region: where to look for the same face in the next frame.
    """

    points: NDArray[np.float32]
    score: float
    yaw: float
    pitch: float
    roll: float
    next_region: Region

    @cached_property
    def box(self) -> Box:
        """Bounding box of the points."""
        left, top, right, bottom = box_of(self.points).tolist()
        return left, top, right, bottom


def region_of_box(box: Box, roll: float, scale: float) -> Region:
    """Square around a box: `scale` times its longer side, about its centre."""
    left, top, right, bottom = box
    return Region((left + right) / 2, (top + bottom) / 2, scale * max(right - left, bottom - top), roll)


def region_of_points(points: NDArray[np.floating[Any]], roll: float, scale: float) -> Region:
    """Square around points (n, 2) whose sides are turned by `roll`: `scale` times their longer extent.

    The extent is taken along the turned axes, so a tilted head gets no larger square than an upright one.
    """
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    upright = points @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    x, y = (low + high) / 2
    return Region(float(cos * x - sin * y), float(sin * x + cos * y), scale * float(max(high - low)), roll)


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(first) + _area(second) - shared)


def distance(first: Box, second: Box) -> float:
    """Distance of two boxes' centres over the mean of their longer sides."""
    away = math.hypot(first[0] + first[2] - second[0] - second[2], first[1] + first[3] - second[1] - second[3]) / 2
    return 2 * away / max(longer_side(first) + longer_side(second), 1e-9)


def longer_side(box: Box) -> float:
    """Longer side of a box, pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
