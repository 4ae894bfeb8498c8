"""Shot cuts by PySceneDetect's adaptive detector, known before a frame is handed on."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from schemas.contract import FPS

if TYPE_CHECKING:
    from tasks.media.decode import Frame

SMALL_PX = 160
"""Longer side of the picture on which cuts and fingerprints are measured."""

_LOOK_AHEAD = 2
"""Source pictures the adaptive detector waits for before it calls a cut (its window_width)."""

_MOST_HELD = 500
"""Frames held back at most. A slide show repeats one picture for minutes; it is handed on without a verdict."""


def small_picture(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame with its longer side brought down to 160 px; (h, w, 3)."""
    scale = SMALL_PX / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    stride = max(1, int(0.5 / scale))  # at least two pixels are left for the average; all of 1080p costs 1 ms more
    rgb = rgb[::stride, ::stride]
    scale *= stride
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small: NDArray[np.uint8] = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return small


def with_cuts(frames: "Iterator[Frame]", threshold: float) -> "Iterator[tuple[Frame, NDArray[np.uint8], bool]]":
    """Each frame with its small picture and whether a new shot starts with it; one does where the geometry changes.

    Repeated pictures are not shown to the detector, which would take the repeats of a 10-fps GIF for stillness
    and every change for a cut. Two source pictures are held back, so memory stays bounded.
    """
    detector = _detector(threshold)
    held: deque[tuple[Frame, NDArray[np.uint8]]] = deque()
    cuts: set[int] = set()
    judged = -1  # pictures up to this number are known to be cuts or not
    picture = -1
    numbers: deque[int] = deque()
    before: Frame | None = None
    for frame in frames:
        if before is not None and _differ(before, frame):
            while held:
                yield _release(held, numbers, cuts)
            detector = _detector(threshold)
            cuts = {picture + 1}
        before = frame
        if frame.repeated and held:
            small = held[-1][1]
        else:
            picture += 1
            small = small_picture(frame.rgb)
            timecode = FrameTimecode(picture, float(FPS))
            bgr = np.ascontiguousarray(small[..., ::-1])
            cuts.update(cut.frame_num for cut in detector.process_frame(timecode, bgr))
            judged = picture - _LOOK_AHEAD
        held.append((frame, small))
        numbers.append(picture)
        while numbers and (numbers[0] <= judged or len(held) > _MOST_HELD):
            yield _release(held, numbers, cuts)
    while held:
        yield _release(held, numbers, cuts)


def _detector(threshold: float) -> AdaptiveDetector:
    return AdaptiveDetector(adaptive_threshold=threshold, min_scene_len=1, window_width=_LOOK_AHEAD)


def _differ(before: "Frame", frame: "Frame") -> bool:
    """Whether two frames cannot be held against each other."""
    return before.geometry != frame.geometry or before.rgb.shape != frame.rgb.shape


def _release(
    held: "deque[tuple[Frame, NDArray[np.uint8]]]", numbers: deque[int], cuts: set[int]
) -> "tuple[Frame, NDArray[np.uint8], bool]":
    frame, small = held.popleft()
    number = numbers.popleft()
    starts = number in cuts
    cuts.discard(number)  # repeats of the same picture do not start the shot again
    return frame, small, starts
