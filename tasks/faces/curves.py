"""Conversion of a network's own points to the 216 of model.features.landmarks.

Each boundary is a list of control points among the network's; one running arc length over all 13 lists lets a single
interpolation resample them together, since this runs for every face of every frame.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.features.landmarks import BOUNDARIES

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
        wanted = start + self._share * (stop - start)
        resampled = [np.interp(wanted, along, controls[:, axis]) for axis in (0, 1)]
        return np.stack(resampled, axis=1).astype(np.float32)
