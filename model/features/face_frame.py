"""The face frame: coordinates that move with the head, from the pose points alone.

The lips are predicted, so they must not affect the frame: it follows from eye corners and nose bridge. A frame is a
similarity transform (translation, rotation, one scale), so the round trip of a point is exact.

Shape suffix legend: T = frames, P = points of any number, XY = 2 coordinates.
"""

from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.landmarks import SLICES, eye_centres

_BRIDGE_ENDS = 3
"""Points at either end of the nose bridge that are averaged: single points jitter."""

_CUT = 4.0
"""Sigmas at which a Gaussian is cut."""


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """One similarity transform per frame, as complex numbers x + iy: pixel = origin + turn * face.

    origin_T: midpoint of the eyes, pixels. turn_T: its direction is the line through the eyes, its length the unit of
    the face frame in pixels.
    """

    origin_T: NDArray[np.complex128]
    turn_T: NDArray[np.complex128]

    @classmethod
    def of(cls, points_TPXY: Floats) -> Self:
        """Compute the frames of a face in pixels (T, 216, 2).

        The unit is the root of eye distance squared plus bridge length squared: turning the head aside shortens
        the one, nodding the other, and both together keep their length better than either.

        Raises: ValueError - another shape than (T, 216, 2), or a frame whose eyes fall on one place.
        """
        left, right = (_complex(centre) for centre in eye_centres(points_TPXY))
        bridge = points_TPXY[..., SLICES["nose_bridge"], :]
        top, tip = (
            _complex(end.mean(axis=-2)) for end in (bridge[..., :_BRIDGE_ENDS, :], bridge[..., -_BRIDGE_ENDS:, :])
        )
        eyes = right - left
        if not np.all(np.abs(eyes) > 0):
            raise ValueError(f"frame {int(np.argmin(np.abs(eyes)))} has both eyes on one place: no face frame")
        unit = np.hypot(np.abs(eyes), np.abs(tip - top))
        return cls((left + right) / 2, eyes / np.abs(eyes) * unit)

    def __getitem__(self, frames: slice) -> Self:
        """Return the transforms of some frames."""
        return type(self)(self.origin_T[frames], self.turn_T[frames])

    def enter(self, points_TPXY: Floats) -> NDArray[np.float64]:
        """Transform pixels to the face frame: (T, P, 2) -> (T, P, 2)."""
        return _pairs((_complex(points_TPXY) - self.origin_T[:, None]) / self.turn_T[:, None])

    def leave(self, points_TPXY: Floats) -> NDArray[np.float64]:
        """Transform the face frame to pixels, the inverse of `enter`."""
        return _pairs(_complex(points_TPXY) * self.turn_T[:, None] + self.origin_T[:, None])


def smooth(values: Floats, sigma_frames: float) -> NDArray[np.float64]:
    """Low-pass along the first axis by a Gaussian, cut at four sigma and renormalised at the ends; any other axes.

    Sigma 0 changes nothing.
    """
    if not sigma_frames:
        return np.asarray(values, np.float64)
    from scipy.ndimage import gaussian_filter1d  # a command that only asks for weights loads no scipy

    low_pass = partial(gaussian_filter1d, sigma=sigma_frames, axis=0, mode="constant", truncate=_CUT)
    weights = low_pass(np.ones((len(values), *[1] * (np.ndim(values) - 1))))
    return np.asarray(low_pass(np.asarray(values, np.float64)) / weights)


def _complex(points: Floats) -> NDArray[np.complex128]:
    return np.asarray(points[..., 0], np.float64) + 1j * np.asarray(points[..., 1], np.float64)


def _pairs(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.stack([values.real, values.imag], axis=-1)
