"""Small pictures of a face, a few times a second, with its place, size and tilt taken out.

A patch is cut in the face frame (heterodub.model.features.face_frame), so eyes and nose bridge fall on the same pixels
whenever the head looks the same way. It holds hair and collar, too: 3.2 units wide and high, a unit being about as
long as the eyes are far apart, or a little longer.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import mouth_opening
from heterodub.tasks.faces.tracker import FaceObservation
from heterodub.tasks.faces.window import cut_window

PATCH_PX: Final = 32
UNITS: Final = 3.2
"""Side of a patch in units of the face frame."""

LEFT, TOP = -1.6, -1.2
"""Upper left corner of a patch in the face frame, whose origin is between the eyes."""

EVERY_S: Final = 0.11
"""A patch is taken when the last one is at least this old: every third frame at 25 a second."""

_CUT_PX: Final = 64
"""Side of the upright square that is cut out before it is turned: averaging down to it keeps fine structure from
aliasing."""


def face_patch(rgb: Rgb, points_PXY: NDArray[np.float32]) -> Rgb | None:
    """Cut the patch of one face (32, 32, 3) from a frame (h, w, 3) and its points (216, 2) in pixels; None if its eyes
    coincide.
    """
    try:
        frame = FaceFrame.of(points_PXY[None])
    except ValueError:
        return None
    unit = abs(complex(frame.turn_T[0]))
    centre = frame.leave(np.array([[[LEFT + UNITS / 2, TOP + UNITS / 2]]]))[0, 0]
    side = max(16, round(1.42 * UNITS * unit))  # holds the patch however it is turned
    left, top = (round(at - side / 2) for at in centre)
    upright = cut_window(rgb, (left, top, side), _CUT_PX)
    step = frame.turn_T[0] * UNITS / PATCH_PX * _CUT_PX / side
    corner = frame.leave(np.array([[[LEFT + UNITS / PATCH_PX / 2, TOP + UNITS / PATCH_PX / 2]]]))[0, 0]
    at_x, at_y = ((value - low + 0.5) * _CUT_PX / side - 0.5 for value, low in zip(corner, (left, top), strict=True))
    place = np.array([[step.real, -step.imag, at_x], [step.imag, step.real, at_y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch: Rgb = cv2.warpAffine(upright, place, (PATCH_PX, PATCH_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return patch


def rows_and_columns(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Part of a patch that a box in the face frame covers."""
    scale = PATCH_PX / UNITS
    rows, columns = (
        slice(max(0, round((low - start) * scale)), min(PATCH_PX, round((high - start) * scale)))
        for low, high, start in ((top, bottom, TOP), (left, right, LEFT))
    )
    return rows, columns


@dataclass(frozen=True, slots=True, eq=False)
class FacePatch:
    """Patch of a face in one frame.

    angles: yaw and pitch, degrees. opening: of the mouth, over the distance between the eyes. sights: times that the
    face was lost and found again before.
    """

    frame: int
    time_s: float
    rgb: Rgb
    angles: tuple[float, float]
    opening: float
    sights: int


@dataclass(slots=True, eq=False)
class FacePatches:
    """Patches of one track, by time. lost: times that the face was lost and found again, odd while it is lost."""

    patches: list[FacePatch] = field(default_factory=list)
    lost: int = 0

    def add(self, number: int, time_s: float, rgb: Rgb, face: FaceObservation) -> None:
        """Add the patch of frame `number`, if the face is tracked there and the last patch is old enough."""
        self.lost += face.tracked == self.lost % 2
        if not face.tracked or (self.patches and time_s - self.patches[-1].time_s < EVERY_S):
            return
        patch = face_patch(rgb, face.points)
        if patch is not None:
            opening = float(mouth_opening(face.points))
            self.patches.append(FacePatch(number, time_s, patch, (face.yaw, face.pitch), opening, self.lost))

    def between(self, first: int, stop: int) -> "FacePatches":
        """Patches of the frames first..stop - 1, with their numbers counted from `first`."""
        patches = [replace(patch, frame=patch.frame - first) for patch in self.patches if first <= patch.frame < stop]
        return FacePatches(patches, self.lost)

    def thinned(self, most: int) -> "FacePatches":
        """At most so many of the patches, spread over the track."""
        step = max(1, -(-len(self.patches) // most))
        return FacePatches(self.patches[::step], self.lost)
