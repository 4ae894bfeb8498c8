"""The hidden lower half of a face: its region, and the blend of the generated one.

The region follows from the face frame, which follows from eye corners and nose bridge. Neither outline nor lips have a
part in it, so its shape does not depend on the mouth or the jaw that it hides.

Shape suffix legend: T = frames, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

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


def hidden(landmarks_TPXY: Floats, side_px: int) -> NDArray[np.bool_]:
    """Return the mask of hidden pixels, (T, S, S). Landmarks in crop pixels, of which the pose points count.

    Raises: ValueError - landmarks of another shape, or eyes on one place.
    """
    return np.asarray(_norm(landmarks_TPXY, side_px) < 1)


def soft(landmarks_TPXY: Floats, side_px: int) -> NDArray[np.float32]:
    """Return the blend weight of the generated picture, (T, S, S) in 0..1: 0 outside of `hidden`, 1 well inside.

    Raises: as `hidden`.
    """
    share = np.clip((1 - _norm(landmarks_TPXY, side_px)) / _FEATHER, 0, 1)
    blend = np.minimum(share, _fade(side_px))
    return np.asarray(blend * blend * (3 - 2 * blend), np.float32)


@lru_cache(maxsize=4)
def _fade(side_px: int) -> NDArray[np.float32]:
    """Return the largest blend weight by place in the crop, (S, S): fades to 0 at the window's edges."""
    rows, columns = window(side_px)
    fade = np.zeros((side_px, side_px), np.float32)
    places = np.arange(rows.stop - rows.start) + 0.5
    ramp = np.clip(np.minimum(places, places[::-1]) / (_WINDOW_FEATHER * side_px), 0, 1)
    fade[rows, columns] = np.minimum(ramp[:, None], ramp)
    return fade


def _norm(landmarks_TPXY: Floats, side_px: int) -> NDArray[np.float32]:
    """Return the distance of each pixel's middle from that of the region, 1 on its border: (T, S, S)."""
    frame = FaceFrame.of(landmarks_TPXY)
    at = (np.arange(side_px) + 0.5)[None]
    turn = (1 / frame.turn_T)[:, None]
    # (pixel - origin) * turn, its parts by columns and by rows; a sum of the two for each pixel
    by_column, by_row = (at - frame.origin_T.real[:, None]) * turn, (at - frame.origin_T.imag[:, None]) * turn * 1j
    across, along = (
        ((column - middle) / half).astype(np.float32)[:, None, :] + (row / half).astype(np.float32)[:, :, None]
        for column, row, middle, half in (
            (by_column.real, by_row.real, _MIDDLE[0], _HALF[0]),
            (by_column.imag, by_row.imag, _MIDDLE[1], _HALF[1]),
        )
    )
    fourth = np.square(np.square(across)) + np.square(np.square(along))
    return np.asarray(np.sqrt(np.sqrt(fourth)))
