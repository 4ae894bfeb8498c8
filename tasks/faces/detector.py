"""MediaPipe's face detectors, run directly, and a search for faces of any size in as few runs of them as possible."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .litert import Network, package_model, sigmoid
from .region import Detection, Picture, longer_side, overlap

MIN_SCORE: Final = 0.5
MERGE_OVERLAP: Final = 0.3
"""Overlap from which two detections are one face (MediaPipe's value)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """File of a detector and the layout of its outputs: (stride, detections per cell) per layer of its grid."""

    file: str
    layers: tuple[tuple[int, int], ...]


SHORT_RANGE: Final = Layout("face_detection_short_range.tflite", ((8, 2), (16, 6)))
FULL_RANGE: Final = Layout("face_detection_full_range.tflite", ((4, 1),))


class FaceDetector:
    """Detects faces in one window of a picture.

    Raises: WeightsMissingError - the package with the model is not there.
    """

    def __init__(self, layout: Layout = SHORT_RANGE) -> None:
        self._network = Network(package_model(layout.file))
        self._anchors = _anchors(layout, self._network.size_px)

    def __call__(self, rgb: Picture, window: tuple[int, int, int, int] | None = None) -> list[Detection]:
        """Detect faces in the window (left, top, right, bottom; whole pixels) or the whole picture, best first."""
        left, top, right, bottom = window or (0, 0, rgb.shape[1], rgb.shape[0])
        square, scale, margin = _letterbox(rgb[top:bottom, left:right], self._network.size_px)
        boxes, scores = self._network(square)
        chances = sigmoid(scores)
        keep = np.flatnonzero(chances > MIN_SCORE)
        answers = boxes.reshape(len(chances), -1, 2)[keep]
        answers[:, [0, *range(2, answers.shape[1])]] += self._anchors[keep][:, None]
        origin = (left - margin[0] / scale, top - margin[1] / scale)
        return merge([_detection(a / scale, origin, float(s)) for a, s in zip(answers, chances[keep], strict=True)])


def _letterbox(part: Picture, size: int) -> tuple[NDArray[np.float32], float, tuple[int, int]]:
    """Fit the part into the middle of a black square, values -1..1; the scale, and the margin left and above."""
    scale = size / max(part.shape[:2])
    height, width = (max(1, round(side * scale)) for side in part.shape[:2])
    shrunk = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.full((size, size, 3), -1.0, dtype=np.float32)
    left, top = (size - width) // 2, (size - height) // 2
    square[top : top + height, left : left + width] = shrunk * np.float32(1 / 127.5) - np.float32(1)
    return square, scale, (left, top)


def _anchors(layout: Layout, size: int) -> NDArray[np.float32]:
    """Centre (x, y) of the grid cell of every output, pixels of the network's input."""
    centres = []
    for stride, per_cell in layout.layers:
        y, x = np.mgrid[0 : size // stride, 0 : size // stride]
        cells = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride
        centres.append(np.repeat(cells, per_cell, axis=0))
    return np.concatenate(centres).astype(np.float32)


def _detection(answer: NDArray[np.float32], origin: tuple[float, float], score: float) -> Detection:
    """Decode one output: rows are centre, size, left eye, right eye (viewer's), nose, mouth, ears."""
    (x, y), (width, height), (lx, ly), (rx, ry) = (map(float, row) for row in answer[:4])
    x, y = x + origin[0], y + origin[1]
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Detection(box, score, math.degrees(math.atan2(ry - ly, rx - lx)))


def merge(detections: list[Detection]) -> list[Detection]:
    """Merge to one detection per face, best first: those that overlap are averaged, weighted by their scores."""
    waiting = sorted(detections, key=lambda detection: -detection.score)
    merged = []
    while waiting:
        best = waiting[0]
        same = [other for other in waiting if other is best or overlap(best.box, other.box) > MERGE_OVERLAP]
        waiting = [other for other in waiting if other not in same]
        weights = np.array([detection.score for detection in same])
        left, top, right, bottom = np.average([detection.box for detection in same], axis=0, weights=weights)
        merged.append(Detection((float(left), float(top), float(right), float(bottom)), best.score, best.roll))
    return merged


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
