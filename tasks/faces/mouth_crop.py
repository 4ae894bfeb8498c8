"""Small picture of a mouth in the frame of the mesh that found it.

The frame is the face frame (heterodub.model.features.face_frame) moved to the middle of the lips: it turns and scales
with the head, and opening the mouth moves it little.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats, Rgb
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import LIPS

CROP_PX: Final = 64

CROP_UNITS: Final = 1.3
"""Side of the crop in units of the face frame; a mouth is about 0.7 wide."""

BELOW: Final = 0.12
"""Middle of the crop below the middle of the lips, units: the chin is in it, too."""

_FINER: Final = 2
"""Pixels are averaged from so many by so many, or large faces would alias."""


def mouth_frame(points_PXY: Floats) -> FaceFrame:
    """Return the mouth's frame, a single one, of a face's points (216, 2) in pixels.

    Raises: ValueError - its eyes fall on one place.
    """
    turn_1 = FaceFrame.of(points_PXY[None]).turn_T
    x, y = points_PXY[LIPS].mean(axis=0)
    return FaceFrame(np.array([complex(x, y)]), turn_1)


def mouth_crop(rgb: Rgb, frame: FaceFrame, side_px: int = CROP_PX) -> NDArray[np.uint8]:
    """Cut the mouth (side_px, side_px, 3) out of a picture (h, w, 3).

    side_px: more than CROP_PX cuts out more of the face, at the same scale.
    """
    fine_px = side_px * _FINER
    step = CROP_UNITS / (CROP_PX * _FINER)
    turn, origin = complex(frame.turn_T[0]), complex(frame.origin_T[0])
    corner = origin + turn * complex((0.5 - fine_px / 2) * step, (0.5 - fine_px / 2) * step + BELOW)
    per_px = turn * step
    place = np.array([[per_px.real, -per_px.imag, corner.real], [per_px.imag, per_px.real, corner.imag]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(rgb, place, (fine_px, fine_px), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(fine, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
