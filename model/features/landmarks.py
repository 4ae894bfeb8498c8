"""The 216 landmark points: their order, their parts, and the measures taken from them.

Every backend's points become curves on 13 facial boundaries, resampled by arc length to fixed counts (the idea of
boundary-aware alignment; the counts make the 216 points of the paper, section 3.1). No other module knows the order.

Left and right are the *viewer's*: "left" stands on the left of an unmirrored picture of a person who faces the
camera, which is that person's right side. Boundaries run from left to right, the nose bridge from top to bottom.
So the point i of `lip_upper_inner` faces the point i of `lip_lower_inner`.

Shape suffix legend: T = frames, P = 216 points, XY = 2 coordinates in pixels, y down.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.schemas.contract import LANDMARK_POINTS

Part = Literal["face", "lips", "pose"]


@dataclass(frozen=True, slots=True)
class Boundary:
    """One facial boundary: its name, its number of points, and the part of the face it belongs to.

    "pose" is given to the first network, "face" and "lips" are what it predicts.
    """

    name: str
    points: int
    part: Part


BOUNDARIES: Final = (
    Boundary("outline", 40, "face"),  # ear to ear through the chin
    Boundary("brow_left", 16, "pose"),
    Boundary("brow_right", 16, "pose"),
    Boundary("nose_bridge", 12, "pose"),
    Boundary("nose_lower", 16, "pose"),
    Boundary("lid_left_upper", 14, "pose"),
    Boundary("lid_left_lower", 14, "pose"),
    Boundary("lid_right_upper", 14, "pose"),
    Boundary("lid_right_lower", 14, "pose"),
    Boundary("lip_upper_outer", 15, "lips"),
    Boundary("lip_upper_inner", 15, "lips"),
    Boundary("lip_lower_inner", 15, "lips"),
    Boundary("lip_lower_outer", 15, "lips"),
)

_ENDS = tuple(accumulate(boundary.points for boundary in BOUNDARIES))

SLICES: Final[dict[str, slice]] = {
    boundary.name: slice(end - boundary.points, end) for boundary, end in zip(BOUNDARIES, _ENDS, strict=True)
}
"""Slice of each boundary among the 216 points."""


def _part(*parts: Part) -> NDArray[np.intp]:
    names = [boundary.name for boundary in BOUNDARIES if boundary.part in parts]
    return np.concatenate([np.arange(SLICES[name].start, SLICES[name].stop) for name in names])


OUTLINE: Final = SLICES["outline"]
"""The 40 points of the face outline."""

LIPS: Final = slice(SLICES["lip_upper_outer"].start, SLICES["lip_lower_outer"].stop)
"""The 60 points of the lips."""

POSE: Final = _part("pose")
"""Indices of the 116 points that are given: brows, nose, eyelids."""

PREDICTED: Final = _part("face", "lips")
"""Indices of the 100 points that the first network predicts: outline, then lips."""


def _mirrored() -> NDArray[np.intp]:
    order = np.empty(LANDMARK_POINTS, np.intp)
    for boundary in BOUNDARIES:
        name = boundary.name
        twin = name.replace("left", "right") if "left" in name else name.replace("right", "left")
        points = np.arange(SLICES[twin].start, SLICES[twin].stop)
        order[SLICES[name]] = points if name == "nose_bridge" else points[::-1]  # the one that runs down, not across
    return order


MIRRORED: Final = _mirrored()
"""For each point of a mirrored face, its index in the original: left and right are swapped."""

_CENTRAL = slice(4, 11)
"""Of a lip's 15 points those around its middle, where the gap between the lips is widest."""


def resample(curve: Floats, count: int) -> NDArray[np.float64]:
    """Resample a polyline (n, 2) to `count` points at equal distances, the ends included; (count, 2), same unit.

    A curve of length zero gives its one place `count` times.

    Raises: ValueError - the curve has no points or not two columns, or fewer than 2 points are asked for.
    """
    if curve.ndim != 2 or curve.shape[1] != 2 or len(curve) == 0:
        raise ValueError(f"a curve is an array (n, 2) with n >= 1, got {curve.shape}")
    if count < 2:
        raise ValueError(f"a curve is resampled to 2 points or more, got {count}")
    steps = np.hypot(*np.diff(curve, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps, dtype=np.float64)])
    positions = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(positions, along, curve[:, 0]), np.interp(positions, along, curve[:, 1])], axis=1)


def _require_points(points: Floats) -> None:
    if points.ndim < 2 or points.shape[-2:] != (LANDMARK_POINTS, 2):
        raise ValueError(f"landmarks have the shape (..., {LANDMARK_POINTS}, 2), got {points.shape}")


def eye_centres(points: Floats) -> tuple[Floats, Floats]:
    """Return the midpoints between the corners of the left and of the right eye: two arrays (..., 2), pixels.

    Corners, not lids: a blink does not move them.

    Raises: ValueError - the points have another shape than (..., 216, 2).
    """
    _require_points(points)
    left, right = SLICES["lid_left_upper"], SLICES["lid_right_upper"]
    return (
        (points[..., left.start, :] + points[..., left.stop - 1, :]) / 2,
        (points[..., right.start, :] + points[..., right.stop - 1, :]) / 2,
    )


def interocular(points: Floats) -> Floats:
    """Return the distance between the centres of the eyes, pixels: (..., 216, 2) -> (...).

    Raises: ValueError - the points have another shape than (..., 216, 2).
    """
    left, right = eye_centres(points)
    return np.asarray(np.linalg.norm(right - left, axis=-1))


def mouth_opening(points_TPXY: Floats) -> Floats:
    """Return the gap between the inner lips over the eye distance, per frame: (T, 216, 2) -> (T,).

    The gap is the mean over the middle of the mouth, measured at right angles to the line through the eyes, so a
    tilted head does not change it. Closed lips give about 0; lips that overlap a little give a small negative value.
    NaN where the two eyes fall on one place.

    Raises: ValueError - the points have another shape than (..., 216, 2).
    """
    left, right = eye_centres(points_TPXY)
    eyes = right - left
    upper = points_TPXY[..., SLICES["lip_upper_inner"], :][..., _CENTRAL, :]
    lower = points_TPXY[..., SLICES["lip_lower_inner"], :][..., _CENTRAL, :]
    gap = (lower - upper).mean(axis=-2)
    across = eyes[..., 0] * gap[..., 1] - eyes[..., 1] * gap[..., 0]
    return _divide(across, (eyes**2).sum(axis=-1))


def mouth_width(points_TPXY: Floats) -> Floats:
    """Return the distance between the mouth corners over the eye distance, per frame: (T, 216, 2) -> (T,).

    NaN where the two eyes fall on one place.

    Raises: ValueError - the points have another shape than (..., 216, 2).
    """
    _require_points(points_TPXY)
    outer = SLICES["lip_upper_outer"]
    corners = points_TPXY[..., outer.stop - 1, :] - points_TPXY[..., outer.start, :]
    return _divide(np.asarray(np.linalg.norm(corners, axis=-1)), interocular(points_TPXY))


def _divide(value: Floats, by: Floats) -> Floats:
    safe = np.where(by > 0, by, np.nan)
    return np.asarray(value / safe)


def box(points: Floats) -> Floats:
    """Return the bounding box of points as left, top, right, bottom in pixels: (..., n, 2) -> (..., 4)."""
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)


def bounding_diagonal(points: Floats) -> Floats:
    """Return the diagonal of the points' bounding box, pixels, the unit of the NME: (..., n, 2) -> (...)."""
    return np.asarray(np.linalg.norm(points.max(axis=-2) - points.min(axis=-2), axis=-1))


def bridged(points_TPXY: NDArray[np.float32], tracked_T: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill in untracked frames of points (T, P, 2) linearly between their tracked neighbours."""
    good, lost = np.flatnonzero(tracked_T), np.flatnonzero(~tracked_T)
    if not lost.size or not good.size:
        return points_TPXY
    after = np.clip(np.searchsorted(good, lost), 0, good.size - 1)
    before = np.clip(after - 1, 0, None)
    left, right = good[before], good[after]
    share = np.clip((lost - left) / np.maximum(right - left, 1), 0, 1).astype(np.float32)[:, None, None]
    filled = points_TPXY.copy()
    filled[lost] = points_TPXY[left] * (1 - share) + points_TPXY[right] * share
    return filled
