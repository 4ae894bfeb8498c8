"""From what stage 1 says of the mouth, at 25 fps in the face frame, to landmarks of each output frame in pixels.

Shape suffix legend: N = output frames, G = frames at 25 fps, P = points, XY = 2 coordinates.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.dubbing.timing import at_times
from model.features.face_frame import FaceFrame, smooth
from model.features.landmarks import OUTLINE, PREDICTED

Floats = NDArray[np.floating[Any]]

SIGMAS: Final = 4
"""Sigmas of a low-pass beyond which nothing is seen; as face_frame.smooth cuts it."""


def _chin() -> NDArray[np.float64]:
    """Share of the predicted outline in the wanted one, by point, (40, 1): none at the ears, all around the chin.

    Speech moves the jaw, not the ears; what differs there is whose face it is and how it is turned, which the picture
    itself knows best, and a cheek that moved would show at the border.
    """
    along = np.linspace(-1.0, 1.0, OUTLINE.stop - OUTLINE.start)
    share = np.clip((0.8 - np.abs(along)) / 0.4, 0.0, 1.0)
    return (share**2 * (3 - 2 * share))[:, None]


CHIN: Final = _chin()


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the mouth does for a speech: predicted points (G, 100, 2) in the face frame, and when, (G,) seconds."""

    points_GPXY: NDArray[np.float32]
    times_G: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Landmarks of some output frames, float32, pixels as displayed: as the source has them, and as they are to be."""

    source_NPXY: NDArray[np.float32]
    wanted_NPXY: NDArray[np.float32]


def wanted_landmarks(
    spoken: Spoken, measured_NPXY: Floats, times_N: NDArray[np.float64], frames: slice, sigma_frames: float
) -> Wanted:
    """Landmarks of `frames` (start and stop given) out of a face's N output frames.

    measured_NPXY: (N, 216, 2) pixels. times_N: seconds. sigma_frames: low-pass along time against the jitter of
    measured points; a head that moves steadily is not held back by it. The result does not depend on how the frames are
    cut into pieces, since each piece is low-passed with what lies around it.
    """
    reach = round(SIGMAS * sigma_frames)
    low, high = max(0, frames.start - reach), min(len(measured_NPXY), frames.stop + reach)
    steady = smooth(measured_NPXY[low:high], sigma_frames)[frames.start - low : frames.stop - low]
    wanted = steady.copy()
    wanted[:, PREDICTED] = FaceFrame.of(steady).leave(at_times(spoken.points_GPXY, spoken.times_G, times_N[frames]))
    wanted[:, OUTLINE] = steady[:, OUTLINE] + CHIN * (wanted[:, OUTLINE] - steady[:, OUTLINE])
    return Wanted(steady.astype(np.float32), wanted.astype(np.float32))
