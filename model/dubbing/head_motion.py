"""Head-carried motion of jaw and mouth: rigid motion is followed frame by frame, the rest is low-passed.

Seen from afar, each point of a rigid head is a fixed combination of three vectors that do not lie in one plane, however
the head is turned (an affine basis of its shape; Tomasi and Kanade 1992, "Shape and motion from image streams"). The
vectors here start between the eyes: along the eyes, to the nose and to the middle between the ears, all places that
speech hardly moves. So the part of a jaw point's motion that the head causes is followed at once. The rest is
low-passed, which removes the old speech.

Shape suffix legend: N = frames, K = 3 vectors, P = points, XY = 2 coordinates.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.face_frame import smooth
from heterodub.model.features.landmarks import OUTLINE, SLICES, eye_centres

_TIP: Final = 3
_EAR: Final = 2
"""Points of the nose bridge's lower end, and of either end of the outline, that are averaged: single ones jitter."""

_STIFFNESS: Final = 0.03
"""Movement of the vectors within the low-pass, in units of the face frame, from which a face's shape is fitted to its
own movement rather than taken from the mean head: jitter and the nose's movement in speech stay below it."""


def _mean_jaw() -> NDArray[np.float64]:
    """Return the combination that gives each point of a mean head's outline, (3, 40).

    Least squares over 3,300 frames of 16 speakers whose heads turn, made symmetric and smooth along the jaw; leaving
    any one speaker out moves it by 0.15 at most.
    """
    along = np.linspace(-1.0, 1.0, OUTLINE.stop - OUTLINE.start)
    eyes = 2.16 * along - 1.71 * along**3 + 0.66 * along**5
    nose = 2.48 - 3.81 * along**2 + 1.28 * along**4
    ears = 2.17 - 1.17 * along**2 - 0.06 * along**4
    return np.stack([eyes, nose, ears])


MEAN_JAW: Final = _mean_jaw()
MEAN_CORNERS: Final = np.array([[-0.42, 0.42], [1.61, 1.61], [0.84, 0.84]])
"""The same for the corners of the mouth, left and right, (3, 2)."""


def head_arrows(points_NPXY: Floats) -> NDArray[np.float64]:
    """Return the three vectors (N, 3, 2) of faces (N, 216, 2) in the face frame, whose origin lies between the eyes."""
    left, right = eye_centres(points_NPXY)
    outline = points_NPXY[:, OUTLINE]
    tip, lower = points_NPXY[:, SLICES["nose_bridge"]][:, -_TIP:], points_NPXY[:, SLICES["nose_lower"]]
    nose = (tip.mean(axis=1) + lower.mean(axis=1)) / 2
    ears = (outline[:, :_EAR].mean(axis=1) + outline[:, -_EAR:].mean(axis=1)) / 2
    return np.asarray(np.stack([right - left, nose, ears], axis=1), np.float64)


def carried(points_NPXY: Floats, arrows_NKXY: Floats, mean_KP: Floats, sigma_frames: float) -> NDArray[np.float64]:
    """Remove from points (N, P, 2) of the face frame their own movement that is faster than the low-pass.

    Around each frame the combination of vectors is fitted to the points, weighted as the low-pass weights frames, and
    regularised towards the mean head's (3, P) where the head moves little (ridge regression). The result is the
    points' average, moved by the head's departure from its own average.
    """
    middle, at = smooth(points_NPXY, sigma_frames), smooth(arrows_NKXY, sigma_frames)
    spread = _together(arrows_NKXY, arrows_NKXY, sigma_frames) - np.einsum("nkx,nlx->nkl", at, at)
    common = _together(arrows_NKXY, points_NPXY, sigma_frames) - np.einsum("nkx,npx->nkp", at, middle)
    stiff = _STIFFNESS**2 * np.eye(arrows_NKXY.shape[1])
    combination = np.linalg.solve(spread + stiff, common + stiff @ mean_KP)
    return np.asarray(middle + np.einsum("nkx,nkp->npx", arrows_NKXY - at, combination), np.float64)


def _together(first: Floats, second: Floats, sigma_frames: float) -> NDArray[np.float64]:
    return smooth(np.einsum("nkx,npx->nkp", first, second), sigma_frames)
