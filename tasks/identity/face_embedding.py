"""Embedding of a face: 128 numbers, near to each other where one person is seen; the mean over a few good frames.

A frame is good where the face is tracked, uncovered, large enough, and turned by no more than the recogniser knows. Of
each third of the clip the sharpest and most frontal one is taken: three looks at different moments, so that neither one
odd look nor one blurred moment decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.landmarks import SLICES

from .face_network import CHIP_PX, FaceNetwork

FACE_VERSION: Final = "dlib-resnet-v1"
"""Recogniser of the faces and choice of frames; stored with each row."""

FACE_FRAMES: Final = 3

_MOST_YAW_DEG, _MOST_PITCH_DEG = 40.0, 35.0
_LEAST_FACE_PX: Final = 40.0
"""Brows to chin. Smaller faces are enlarged to the recogniser's 150 px four times and more, and look alike."""

_CHIP_MARGIN: Final = 0.25
_CHIP_POINTS: Final = (
    np.array(
        [[0.8595675, 0.2134982], [0.6460605, 0.2289674], [0.1205751, 0.2137275], [0.3340851, 0.2290643],
         [0.4901123, 0.6277975]]
    )
    + _CHIP_MARGIN
) / (1 + 2 * _CHIP_MARGIN)  # fmt: skip
"""Places in a chip, in shares of its side, of the corners of both eyes (outer and inner one of the right eye, as the
viewer sees it, then of the left) and the base of the nose: dlib's get_face_chip."""

_FINER: Final = 2
"""Chips are cut out at so many times their size, then averaged: a large face would lose pixels otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceView:
    """One frame of a face. frame: from the clip's first. square: the picture around it; points (216, 2): its landmarks
    in that picture's pixels. face_px: brows to chin, in pixels of the source.
    """

    frame: int
    square: Rgb
    points: NDArray[np.float32]
    face_px: float
    yaw_deg: float
    pitch_deg: float
    sharpness: float

    @property
    def is_good(self) -> bool:
        """Return True if the recogniser can be trusted with it."""
        is_frontal = abs(self.yaw_deg) <= _MOST_YAW_DEG and abs(self.pitch_deg) <= _MOST_PITCH_DEG
        return is_frontal and self.face_px >= _LEAST_FACE_PX

    @property
    def quality(self) -> float:
        """Sharpness, less where the head is turned; of one face, views are compared by it."""
        turned = np.cos(np.radians(self.yaw_deg)) * np.cos(np.radians(self.pitch_deg))
        return float(self.sharpness * turned)


def choose_views(views: Sequence[FaceView], frames: int) -> list[FaceView]:
    """Choose the best good view of each third of a clip of so many frames, in order; none where none is good."""
    thirds: list[list[FaceView]] = [[] for _ in range(FACE_FRAMES)]
    for view in views:
        if view.is_good:
            thirds[view.frame * FACE_FRAMES // frames].append(view)
    return [max(third, key=lambda view: view.quality) for third in thirds if third]


def embed_face(network: FaceNetwork, views: Sequence[FaceView]) -> NDArray[np.float32]:
    """Compute the embedding (128,) of a face: the mean of the descriptors of some views, one or more."""
    chips = np.stack([face_chip(view.square, view.points) for view in views])
    return np.asarray(network.descriptors(chips).mean(axis=0))


def face_chip(square: Rgb, points: NDArray[np.float32]) -> Rgb:
    """Cut a face out of a picture as the recogniser wants it, (150, 150, 3): upright, eyes and nose in their places.

    points: (216, 2), pixels of the picture.
    """
    right, left, nose = (points[SLICES[name]] for name in ("lid_right_upper", "lid_left_upper", "nose_lower"))
    middle = len(nose) // 2
    base = (nose[middle - 1] + nose[middle]) / 2
    found = np.stack([right[-1], right[0], left[0], left[-1], base]).astype(np.float64)
    side = CHIP_PX * _FINER
    matrix = _similarity(found, _CHIP_POINTS * side)
    large = cv2.warpAffine(square, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(large, (CHIP_PX, CHIP_PX), interpolation=cv2.INTER_AREA))


def _similarity(points: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the turn, scale and shift (2, 3) that bring points nearest to places, by least squares."""
    source, target = (one[:, 0] + 1j * one[:, 1] for one in (points, places))
    centred = source - source.mean()
    factor = (centred.conj() @ (target - target.mean())) / max(float((np.abs(centred) ** 2).sum()), 1e-9)
    shift = target.mean() - factor * source.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
