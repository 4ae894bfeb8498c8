"""The hidden lower half of a face: its region, and the blend of the generated one.

The region follows from the face frame, which follows from eye corners and nose bridge. Neither outline nor lips have a
part in it, so its shape does not depend on the mouth or the jaw that it hides.

Shape suffix legend: T = frames, S = side of a crop in pixels, W = side of its window, P = 216 points, XY = 2
coordinates.
"""

from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.arrays import Floats
from heterodub.model.features.face_frame import FaceFrame

_MIDDLE: Final = (0.0, 1.22)
"""Middle of the region in the face frame: its origin lies between the eyes, y runs down the face, 1 is eye distance and
nose bridge together."""

_HALF: Final = (1.2, 0.68)
"""Half width and half height of a rectangle with round corners, x^4 + y^4 < 1. On 160 real clips the lips lie between
y 0.71 and 1.29, the chin above 1.75 (99 % of frames), the nose's lower edge at 0.64; the region spans 0.54 to 1.90.
"""

_FEATHER: Final = 0.22
"""Share of the half size over which the blend goes from the source to the generated picture, inside the region."""

WINDOW: Final = (0.125, 0.25, 0.75)
"""The part of a crop that is worked on, (left, top, side) as shares of the crop's side: the region with its
surroundings. The rest of the crop is hair and background."""

_WINDOW_FEATHER: Final = 0.04
"""Share of the crop's side over which the blend fades out towards the window's edges: a head turned far aside may have
its region reach beyond."""


def window(side_px: int) -> tuple[slice, slice]:
    """Return rows and columns of WINDOW in a crop; a square.

    Raises: ValueError - the side is no multiple of 8, so the window would not fall on whole pixels.
    """
    if side_px % 8:
        raise ValueError(f"the side of a crop is a multiple of 8 pixels, got {side_px}")
    left, top, side = (round(share * side_px) for share in WINDOW)
    return slice(top, top + side), slice(left, left + side)


def poses(landmarks_TPXY: Floats) -> NDArray[np.float64]:
    """Return what the region follows from, (T, 4): x and y of each face frame's origin, and of its turn, in pixels.

    Raises: ValueError - landmarks of another shape, or eyes on one place.
    """
    frame = FaceFrame.of(landmarks_TPXY)
    return np.stack([frame.origin_T.real, frame.origin_T.imag, frame.turn_T.real, frame.turn_T.imag], axis=1)


def hidden(landmarks_TPXY: Floats, side_px: int) -> NDArray[np.bool_]:
    """Return the mask of hidden pixels, (T, S, S). Landmarks in crop pixels, of which the pose points count.

    Raises: as `poses`.
    """
    crop = slice(0, side_px)
    return np.asarray(_norm(torch.from_numpy(poses(landmarks_TPXY)), crop, crop) < 1)


def soft(landmarks_TPXY: Floats, side_px: int) -> NDArray[np.float32]:
    """Return the blend weight of the generated picture, (T, S, S) in 0..1: 0 outside of `hidden`, 1 well inside.

    Raises: as `poses`.
    """
    rows, columns = window(side_px)
    blend = np.zeros((len(landmarks_TPXY), side_px, side_px), np.float32)
    blend[:, rows, columns] = soft_window(torch.from_numpy(poses(landmarks_TPXY)), side_px)
    return blend


def hidden_window(poses_T4: Tensor, side_px: int) -> Tensor:
    """Return `hidden` within the window, (T, W, W), from `poses`, on their device."""
    return _norm(poses_T4, *window(side_px)) < 1


def soft_window(poses_T4: Tensor, side_px: int) -> Tensor:
    """Return `soft` within the window, (T, W, W) in 32 bits, from `poses`, on their device."""
    share = ((1 - _norm(poses_T4, *window(side_px))) / _FEATHER).clamp(0, 1)
    blend = torch.minimum(share, _fade(side_px, share.device))
    return blend * blend * (3 - 2 * blend)


def _fade(side_px: int, device: torch.device) -> Tensor:
    """Return the largest blend weight by place in the window, (W, W): fades to 0 at its edges."""
    width = round(WINDOW[2] * side_px)
    places = torch.arange(width, dtype=torch.float32, device=device) + 0.5
    ramp = (torch.minimum(places, places.flip(0)) / (_WINDOW_FEATHER * side_px)).clamp(0, 1)
    return torch.minimum(ramp[:, None], ramp)


def _norm(poses_T4: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return the distance of each pixel's middle from that of the region, 1 on its border: (T, rows, columns)."""
    (left, top, right, down), at = poses_T4.T[..., None], partial(torch.arange, device=poses_T4.device)
    size = right.square() + down.square()
    across, along = at(columns.start, columns.stop) + 0.5 - left, at(rows.start, rows.stop) + 0.5 - top
    # (pixel - origin) / turn, its parts by columns and by rows; a sum of the two for each pixel
    x, y = (
        ((column / size - middle) / half).float()[:, None, :] + (row / size / half).float()[:, :, None]
        for column, row, middle, half in (
            (across * right, along * down, _MIDDLE[0], _HALF[0]),
            (-across * down, along * right, _MIDDLE[1], _HALF[1]),
        )
    )
    norm: Tensor = (x.square().square() + y.square().square()).sqrt().sqrt()
    return norm
