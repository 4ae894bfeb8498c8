"""Landmarks of generated crops, found by the same tracker as those of the source."""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.features.arrays import Pictures
from schemas.config.settings import ClipSettings
from schemas.contract import LANDMARK_POINTS

from .backend import LandmarkBackend
from .region import longer_side
from .tracker import FaceTracker

_SEARCHED_PX = 256
"""Side to which crops are scaled before faces are detected: that of stored crops."""


def find_landmarks(
    backend: LandmarkBackend, clips: ClipSettings, crops_FSS3: Pictures
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Track the largest face in successive crops: landmarks (F, 216, 2) in crop pixels, and True where there was one.

    Where there was none, the landmarks are zeros.
    """
    tracker = FaceTracker(backend, clips)
    scale = crops_FSS3.shape[1] / _SEARCHED_PX
    landmarks = np.zeros((len(crops_FSS3), LANDMARK_POINTS, 2), np.float32)
    has_face = np.zeros(len(crops_FSS3), bool)
    for number, crop in enumerate(crops_FSS3):
        large = cv2.resize(crop, (_SEARCHED_PX, _SEARCHED_PX), interpolation=cv2.INTER_CUBIC)
        faces = [face for face in tracker.step(large, cut=number == 0) if face.tracked]
        if faces:
            largest = max(faces, key=lambda face: longer_side(_box(face.points)))
            landmarks[number], has_face[number] = largest.points * scale, True
    return landmarks, has_face


def _box(points: NDArray[np.float32]) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom
