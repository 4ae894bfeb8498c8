"""Conversion of a network's own points to the 216 of heterodub.model.features.landmarks, and to a head pose.

Each boundary is a list of control points among the network's; one running arc length over all 13 lists lets a single
interpolation resample them together, since this runs for every face of every frame.

Yaw, pitch and roll are in degrees, all 0 for a face that looks straight at the camera. yaw > 0: the nose points to the
viewer's right. pitch > 0: the nose points up. roll > 0: the head is tilted clockwise as the viewer sees it. The head is
turned in that order reversed (pitch, then yaw, then roll), so turning the picture in its plane changes roll alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.landmarks import BOUNDARIES

Control = int | tuple[int, int]
"""One of a network's points, or the middle of two of them."""

MESH: Final[Mapping[str, Sequence[Control]]] = {
    "outline": (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152,
                377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356),
    # The two rows of a brow, averaged: its middle line, steadier than either edge.
    "brow_left": ((70, 46), (63, 53), (105, 52), (66, 65), (107, 55)),
    "brow_right": ((336, 285), (296, 295), (334, 282), (293, 283), (300, 276)),
    "nose_bridge": (168, 6, 197, 195, 5, 4, 1),
    "nose_lower": (64, 98, 97, 2, 326, 327, 294),
    "lid_left_upper": (33, 246, 161, 160, 159, 158, 157, 173, 133),
    "lid_left_lower": (33, 7, 163, 144, 145, 153, 154, 155, 133),
    "lid_right_upper": (362, 398, 384, 385, 386, 387, 388, 466, 263),
    "lid_right_lower": (362, 382, 381, 380, 374, 373, 390, 249, 263),
    "lip_upper_outer": (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    "lip_upper_inner": (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    "lip_lower_inner": (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    "lip_lower_outer": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
}  # fmt: skip
"""Vertices of MediaPipe's face mesh (468 points) on each boundary."""

IBUG68: Final[Mapping[str, Sequence[Control]]] = {
    "outline": tuple(range(17)),
    "brow_left": tuple(range(17, 22)),
    "brow_right": tuple(range(22, 27)),
    "nose_bridge": tuple(range(27, 31)),
    "nose_lower": tuple(range(31, 36)),
    "lid_left_upper": (36, 37, 38, 39),
    "lid_left_lower": (36, 41, 40, 39),
    "lid_right_upper": (42, 43, 44, 45),
    "lid_right_lower": (42, 47, 46, 45),
    "lip_upper_outer": (48, 49, 50, 51, 52, 53, 54),
    "lip_upper_inner": (60, 61, 62, 63, 64),
    "lip_lower_inner": (60, 67, 66, 65, 64),
    "lip_lower_outer": (48, 59, 58, 57, 56, 55, 54),
}
"""The 68 points of the iBUG scheme, which FAN gives, on each boundary."""


class CurveMap:
    """Resamples one network's points to the 216, by arc length along each boundary.

    Raises: ValueError - a boundary has no control points, or one is named that is not among the 13.
    """

    def __init__(self, controls: Mapping[str, Sequence[Control]]) -> None:
        names = [boundary.name for boundary in BOUNDARIES]
        if sorted(controls) != sorted(names) or not all(controls.values()):
            raise ValueError(f"controls are needed for exactly the boundaries {names}, got {sorted(controls)}")
        pairs = [(c, c) if isinstance(c, int) else c for name in names for c in controls[name]]
        self._first, self._second = np.array(pairs, dtype=np.intp).T
        lengths = [len(controls[name]) for name in names]
        self._start = np.cumsum([0, *lengths[:-1]])
        self._stop = np.cumsum(lengths) - 1
        self._joins = self._stop[:-1]
        counts = [boundary.points for boundary in BOUNDARIES]
        self._curve = np.repeat(np.arange(len(names)), counts)
        self._share = np.concatenate([np.linspace(0.0, 1.0, count) for count in counts])

    def __call__(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Resample a network's points (n, 2) to the 216 points (216, 2), same pixels."""
        controls = (points[self._first, :2] + points[self._second, :2]) * 0.5
        steps = np.hypot(*np.diff(controls, axis=0).T)
        # The gap between two boundaries belongs to neither: any length will do, as no target falls into it.
        steps[self._joins] = 1.0
        along = np.concatenate([[0.0], np.cumsum(steps, dtype=np.float64)])
        start, stop = along[self._start][self._curve], along[self._stop][self._curve]
        targets = start + self._share * (stop - start)
        resampled = [np.interp(targets, along, controls[:, axis]) for axis in (0, 1)]
        return np.stack(resampled, axis=1).astype(np.float32)


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
    products = (seen - seen.mean(axis=0)).T @ _RIGID_CENTRED
    u, _, vt = np.linalg.svd(products)
    if np.linalg.det(products) < 0:  # a mirror would fit best
        u[:, 2] *= -1
    return angles(u @ vt)


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
