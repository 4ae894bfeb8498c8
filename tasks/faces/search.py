"""Search for faces of any size in a picture with as few detector runs as possible."""

import math
from typing import Final

from .detector import FULL_RANGE, SHORT_RANGE, FaceDetector, merge
from .region import Detection, Picture, longer_side, overlap

NEAR_SHARE: Final = 0.2
"""A face this large, as a share of the picture's longer side, makes a second run needless."""

TILE_SHARE: Final = 0.6
"""Side of the square parts that are searched last, as a share of the picture's longer side."""


class FaceSearch:
    """Runs the short-range detector first, others only where that found no large face.

    The short-range detector sees the picture at 128 pixels and takes 1 ms; a talking head needs nothing more. It
    misses faces under about a tenth of the picture, which the full-range one (192 pixels, 5 ms) finds down to a
    twentieth. Where both see nothing, overlapping parts are searched by the latter: smaller and blurred faces.

    Raises: WeightsMissingError - the package with the detectors is not there.
    """

    def __init__(self) -> None:
        self._near = FaceDetector(SHORT_RANGE)
        self._far = FaceDetector(FULL_RANGE)

    def __call__(self, rgb: Picture) -> list[Detection]:
        """Detect the faces in the picture, largest first."""
        height, width = rgb.shape[:2]
        faces = self._near(rgb)
        if not any(longer_side(face.box) >= NEAR_SHARE * max(height, width) for face in faces):
            far = self._far(rgb)
            # Of a small face the full-range detector gives the better box, so the other's is not averaged in.
            faces = far + [face for face in faces if not any(overlap(face.box, other.box) for other in far)]
        if not faces:
            faces = merge([face for window in tiles(width, height) for face in self._far(rgb, window)])
        return sorted(faces, key=lambda face: -longer_side(face.box))


def tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Overlapping parts (left, top, right, bottom) that cover the picture, their sides TILE_SHARE of it at most.

    They overlap by NEAR_SHARE at least: a face too small to be seen in the whole picture stands wholly in one of them.
    """
    longer = max(width, height)
    side, shared = max(1, round(TILE_SHARE * longer)), int(NEAR_SHARE * longer)
    return [
        (left, top, min(left + side, width), min(top + side, height))
        for top in _starts(height, side, shared)
        for left in _starts(width, side, shared)
    ]


def _starts(length: int, side: int, shared: int) -> list[int]:
    if length <= side:
        return [0]
    steps = math.ceil((length - side) / (side - shared))
    return [round(step * (length - side) / steps) for step in range(steps + 1)]
