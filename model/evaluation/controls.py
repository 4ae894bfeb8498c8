"""Trivial controls without knowledge of speech, which a network must beat.

Both controls are a static face in the face frame, placed on a clip's pose. The third row beside a score is the true
landmarks themselves.

Shape suffix legend: T = frames of the clip, R = reference frames, P = 216 points, C = the 100 predicted points,
XY = 2 coordinates.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import PREDICTED


def copy_reference(reference_RPXY: Floats, clip_TPXY: Floats) -> NDArray[np.float64]:
    """Place the mean of reference frames (R, 216, 2) on the pose of a clip (T, 216, 2); pixels (T, 216, 2).

    Raises: ValueError - no reference frame, other shapes, or a face without a face frame.
    """
    return apply_pose(resting_face(reference_RPXY), clip_TPXY)


def mean_face(clips: Iterable[Floats]) -> NDArray[np.float64]:
    """Return the mean of the training clips' resting faces, in the face frame: (100, 2); for `apply_pose`.

    clips: tracked frames (T, 216, 2) of each, pixels. Every clip counts the same, however long.

    Raises: ValueError - no clip, a clip without frames, other shapes, or a face without a face frame.
    """
    faces = [resting_face(clip_TPXY) for clip_TPXY in clips]
    if not faces:
        raise ValueError("a mean face needs at least one clip")
    return np.asarray(np.mean(faces, axis=0))


def resting_face(frames_TPXY: Floats) -> NDArray[np.float64]:
    """Return the mean of the predicted points over some frames (T, 216, 2), in the face frame: (100, 2).

    Raises: ValueError - no frame, other shapes, or a face without a face frame.
    """
    if not len(frames_TPXY):
        raise ValueError("a face needs at least one frame")
    return np.asarray(FaceFrame.of(frames_TPXY).enter(frames_TPXY[:, PREDICTED]).mean(axis=0))


def apply_pose(face_CXY: Floats, clip_TPXY: Floats) -> NDArray[np.float64]:
    """Place a face (100, 2) in the face frame on the pose of a clip (T, 216, 2): pixels (T, 216, 2).

    Raises: ValueError - other shapes, or a clip without a face frame.
    """
    if face_CXY.shape != (len(PREDICTED), 2):
        raise ValueError(f"a face has the shape ({len(PREDICTED)}, 2), got {face_CXY.shape}")
    placed_TPXY = np.array(clip_TPXY, np.float64)
    placed_TPXY[:, PREDICTED] = FaceFrame.of(clip_TPXY).leave(face_CXY[None])
    return placed_TPXY
