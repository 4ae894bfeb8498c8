"""Boxes around the mouth: losses and scores of the small region that speech moves.

Shape suffix legend: F = frames in a row, H, W = sides of a picture in pixels, P = 216 points, XY = 2 coordinates.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from heterodub.model.features.arrays import Floats
from heterodub.model.features.landmarks import LIPS

SIDE_PX: Final = 64
"""Side to which mouth boxes are brought."""

_ROOM: Final = 1.5
"""Side of the box over the width of the lips."""

_LEAST_PX: Final = 8


def boxes(landmarks_FPXY: Floats, picture_px: int) -> NDArray[np.int64]:
    """Return a square (left, top, side) around the lips in each square picture, (F, 3); one side for all frames."""
    lips = landmarks_FPXY[:, LIPS]
    side = min(picture_px, max(_LEAST_PX, round(_ROOM * float(np.median(np.ptp(lips[..., 0], axis=1))))))
    corners = np.rint((lips.min(axis=1) + lips.max(axis=1)) / 2 - side / 2).astype(np.int64)
    return np.concatenate([np.clip(corners, 0, picture_px - side), np.full((len(lips), 1), side)], axis=1)


def cut(pictures_F3HW: Tensor, boxes_F3: NDArray[np.int64] | Tensor) -> Tensor:
    """Crop the boxes of pictures and resize them: (F, 3, SIDE_PX, SIDE_PX)."""
    cuts = [
        functional.interpolate(
            picture[None, :, top : top + side, left : left + side], (SIDE_PX, SIDE_PX), mode="bilinear"
        )
        for picture, (left, top, side) in zip(pictures_F3HW, boxes_F3.tolist(), strict=True)
    ]
    return torch.cat(cuts)
