"""Shot cuts by PySceneDetect's adaptive detector, decided before a frame is yielded."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from heterodub.schemas.contract import FPS
from heterodub.tasks.media.transitions import alike, structure, tiny

if TYPE_CHECKING:
    from heterodub.tasks.media.decode import Frame

SMALL_PX = 160
"""Longer side of the picture on which cuts and fingerprints are measured."""

_WINDOW = 2
"""Source pictures the adaptive detector waits for before it calls a cut (its window_width)."""

_FLASH = 4
"""Source pictures that a flash lasts at most; a cut is known when as many have followed, for the shot may come back."""

_SAME_SHOT = 0.8
"""Correlation of structure from which on two pictures are of one shot. Two talkers in one chair before one wall,
filmed by one camera, came to 0.7 at most; four pictures of one talker apart, 98 % are above 0.76 and half above
0.98."""

_FLASH_LEVELS = 5.0
"""Levels by which a flash is brighter than the pictures on either side of it."""

_MOST_HELD = 500
"""Frames held back at most. A slide show repeats one picture for minutes; it is yielded without a decision."""


def small_picture(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale a frame down so that its longer side is 160 px; (h, w, 3)."""
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
    """Yield each frame with its small picture and True if a new shot starts with it.

    Shots start at hard cuts (transitions.py has the soft ones), after a hole, and where the geometry changes.

    Repeated pictures are not shown to the detector, which would take the repeats of a 10-fps GIF for stillness
    and every change for a cut. Four source pictures are held back, so memory stays bounded.
    """
    detector = _Detector(threshold)
    pending: deque[tuple[Frame, NDArray[np.uint8]]] = deque()
    cuts = _Cuts()
    picture = -1
    numbers: deque[int] = deque()
    before: Frame | None = None
    for frame in frames:
        if before is not None and _differ(before, frame):
            while pending:
                yield _release(pending, numbers, cuts)
            detector = _Detector(threshold)
            cuts = _Cuts(first=picture + 1)
        before = frame
        if frame.repeated and pending:
            small = pending[-1][1]
        else:
            picture += 1
            small = small_picture(frame.rgb)
            timecode = FrameTimecode(picture, float(FPS))
            cuts.add(small, [cut.frame_num for cut in detector.process_frame(timecode, small)])
        pending.append((frame, small))
        numbers.append(picture)
        while numbers and (numbers[0] <= picture - _FLASH or len(pending) > _MOST_HELD):
            yield _release(pending, numbers, cuts)
    while pending:
        yield _release(pending, numbers, cuts)


class _Detector(AdaptiveDetector):  # type: ignore[misc] # it has no types
    """The library's detector over RGB pictures. Its scores are the library's to the last bit, but cost a fifth: one
    difference of three channels in bytes stands for three in 32 bits.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__(adaptive_threshold=threshold, min_scene_len=1, window_width=_WINDOW)
        self._last_hsv: NDArray[np.uint8] | None = None

    def _calculate_frame_score(self, _: FrameTimecode, frame_img: NDArray[np.uint8]) -> float:
        hsv, before = cv2.cvtColor(frame_img, cv2.COLOR_RGB2HSV), self._last_hsv
        self._last_hsv = hsv
        if before is None:
            return 0.0
        pixels = hsv.shape[0] * hsv.shape[1]
        return float(sum(channel / pixels for channel in cv2.sumElems(cv2.absdiff(hsv, before))[:3]) / 3)


def _differ(before: "Frame", frame: "Frame") -> bool:
    """Return True if two frames cannot be compared."""
    return frame.follows_hole or before.geometry != frame.geometry or before.rgb.shape != frame.rgb.shape


class _Cuts:
    """Cuts that the detector calls, without those that are the two edges of a flash. first: begins a shot, too."""

    def __init__(self, first: int = 0) -> None:
        self._called = {first} if first else set()
        self._recent: dict[int, NDArray[np.uint8]] = {}
        self._last = first - 1

    def add(self, small: NDArray[np.uint8], called: list[int]) -> None:
        """Add the next picture, and the numbers of pictures that turned out to begin a shot."""
        self._last += 1
        self._recent[self._last] = small
        self._recent.pop(self._last - 3 * _FLASH, None)
        self._called.update(called)

    def starts(self, number: int) -> bool:
        """Return True if a shot starts with a picture. True once: repeats of it do not start the shot again."""
        if number not in self._called:
            return False
        self._called.discard(number)
        return not self._flash_at(number)

    def _flash_at(self, number: int) -> bool:
        """Return True if the same shot surrounds a few brighter pictures, the first or last of them beside the cut."""
        return any(
            self._flash(before, after)
            for before in range(number - _FLASH - 1, number)
            for after in range(number, number + _FLASH + 1)
            if 2 <= after - before <= _FLASH + 1 and number in (before + 1, after)
        )

    def _flash(self, before: int, after: int) -> bool:
        earlier, later = self._recent.get(before), self._recent.get(after)
        if earlier is None or later is None or earlier.shape != later.shape:
            return False
        brightest = max(float(earlier.mean()), float(later.mean())) + _FLASH_LEVELS
        if any(float(self._recent[at].mean()) < brightest for at in range(before + 1, after)):
            return False
        return alike(structure(tiny(earlier)), structure(tiny(later))) > _SAME_SHOT


def _release(
    pending: "deque[tuple[Frame, NDArray[np.uint8]]]", numbers: deque[int], cuts: _Cuts
) -> "tuple[Frame, NDArray[np.uint8], bool]":
    frame, small = pending.popleft()
    return frame, small, cuts.starts(numbers.popleft())
