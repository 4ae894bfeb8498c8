"""Head pose from landmarks: yaw, pitch and roll in degrees, all 0 for a face that looks straight at the camera.

yaw > 0: the nose points to the viewer's right. pitch > 0: the nose points up. roll > 0: the head is tilted clockwise
as the viewer sees it. The head is turned in that order reversed (pitch, then yaw, then roll), so turning the picture
in its plane changes roll alone.
"""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np

from model.features.arrays import Floats


class Pose(NamedTuple):
    """Head pose in degrees; signs as in the module's docstring."""

    yaw: float
    pitch: float
    roll: float


# Vertices of MediaPipe's canonical face (centimetres; x to the viewer's right, y up, z to the camera) that hardly
# move against the skull. Lips, chin and lids are left out: talking must not look like nodding.
_RIGID: Final[dict[int, tuple[float, float, float]]] = {
    33: (-4.446, 2.664, 3.173),
    133: (-1.856, 2.585, 3.758),
    362: (1.856, 2.585, 3.758),
    263: (4.446, 2.664, 3.173),
    168: (0.0, 3.271, 5.236),
    6: (0.0, 2.473, 5.789),
    197: (0.0, 1.728, 6.317),
    195: (0.0, 1.059, 6.775),
    5: (0.0, 0.366, 7.243),
    4: (0.0, -0.463, 7.587),
    2: (0.0, -2.089, 6.058),
    98: (-1.406, -1.714, 5.241),
    327: (1.406, -1.714, 5.241),
    9: (0.0, 4.886, 5.385),
    151: (0.0, 6.545, 5.027),
    10: (0.0, 8.262, 4.482),
    103: (-5.133, 7.486, 2.660),
    332: (5.133, 7.486, 2.660),
    21: (-7.088, 5.435, 0.100),
    251: (7.088, 5.435, 0.100),
    127: (-7.743, 2.365, -2.005),
    356: (7.743, 2.365, -2.005),
    234: (-7.664, 0.673, -2.436),
    454: (7.664, 0.673, -2.436),
}
_RIGID_INDEX = np.array(list(_RIGID), dtype=np.intp)
_RIGID_MODEL = np.array(list(_RIGID.values()))
_RIGID_CENTRED = _RIGID_MODEL - _RIGID_MODEL.mean(axis=0)

# The same canonical face at the points of the iBUG scheme: eye corners, nose bridge, nose lower edge.
_IBUG_INDEX = np.array([36, 39, 42, 45, 27, 28, 29, 30, 31, 33, 35], dtype=np.intp)
_IBUG_MODEL = np.array([_RIGID[vertex] for vertex in (33, 133, 362, 263, 168, 197, 5, 4, 98, 2, 327)])

_TO_UP_AND_NEAR = np.array([1.0, -1.0, -1.0])
"""From picture axes (y down, z away from the camera) to the model's."""


def pose_from_mesh(vertices: Floats) -> Pose:
    """Estimate the pose from the mesh's vertices (468 or more, 3), x and y in pixels, z (away from us) on that scale.

    A rotation and a scale are fitted to the canonical face by least squares (Kabsch).
    """
    seen = vertices[_RIGID_INDEX] * _TO_UP_AND_NEAR
    u, _, vt = np.linalg.svd((seen - seen.mean(axis=0)).T @ _RIGID_CENTRED)
    mirrored = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    return angles(u @ np.diag([1.0, 1.0, mirrored]) @ vt)


def pose_from_ibug68(points: Floats) -> Pose:
    """Estimate the pose from the 68 points of the iBUG scheme, (68, 2) pixels, by solving the camera equations for a
    generic head.

    The camera is assumed far away, since the lens is unknown and a near one would look like a turn of the head.
    """
    seen = np.ascontiguousarray(points[_IBUG_INDEX], dtype=np.float64)
    size = max(float(np.ptp(seen, axis=0).max()), 1.0)
    focal = 20.0 * size
    camera = np.array([[focal, 0.0, seen[:, 0].mean()], [0.0, focal, seen[:, 1].mean()], [0.0, 0.0, 1.0]])
    model = (_IBUG_MODEL - _IBUG_MODEL.mean(axis=0)) * _TO_UP_AND_NEAR
    # Start from a frontal head in front of the camera: without it the mirrored solution is found now and then.
    start, shift = np.zeros((3, 1)), np.array([[0.0], [0.0], [20.0 * float(np.ptp(model, axis=0).max())]])
    _, turn, _ = cv2.solvePnP(
        model, seen, camera, None, start, shift, useExtrinsicGuess=True, flags=cv2.SOLVEPNP_ITERATIVE
    )
    rotation = cv2.Rodrigues(turn)[0]
    flip = np.diag(_TO_UP_AND_NEAR)
    return angles(flip @ np.asarray(rotation, dtype=np.float64) @ flip)


def angles(rotation: Floats) -> Pose:
    """Convert a head's rotation matrix (3, 3) to a pose; axes: x to the viewer's right, y up, z to the camera."""
    # rotation = Rz @ Ry @ Rx; a clockwise turn is negative about z, a nose that rises is negative about x.
    yaw = math.asin(min(1.0, max(-1.0, -float(rotation[2, 0]))))
    about_x = math.atan2(float(rotation[2, 1]), float(rotation[2, 2]))
    about_z = math.atan2(float(rotation[1, 0]), float(rotation[0, 0]))
    return Pose(math.degrees(yaw), -math.degrees(about_x), -math.degrees(about_z))
