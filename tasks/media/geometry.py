"""The size and shape in which a decoded picture is displayed: square pixels, turned as its camera meant it."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .orientation import Orientation

MOST_ANAMORPHIC: Final = 4
"""Pixels are at most this many times as wide as high, or as high as wide. What is in use ends at 2.9 (32:11, MPEG-2 of
half the width); anything beyond is taken for a writer's mistake and replaced by square pixels, with a note."""

_SQUARE: Final = Fraction(1)
_UPRIGHT: Final = Orientation()


@dataclass(frozen=True, slots=True)
class Geometry:
    """A picture's coded size, the width of its pixels over their height, and how it is turned.

    Square pixels are made by stretching the side that is too short: no sample is thrown away.
    """

    width: int
    height: int
    aspect: Fraction = _SQUARE
    turned: Orientation = _UPRIGHT

    @property
    def squared(self) -> tuple[int, int]:
        """Width and height with square pixels, not turned yet."""
        if self.aspect >= 1:
            return round(self.width * self.aspect), self.height
        return self.width, round(self.height / self.aspect)

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as displayed."""
        return self.turned.displayed(*self.squared)

    @property
    def stretch(self) -> tuple[float, float]:
        """Displayed pixels a sample, along the displayed picture's width and height."""
        wide, high = self.squared
        across, down = wide / self.width, high / self.height
        return (down, across) if self.turned.clockwise_quarters % 2 else (across, down)

    def describe(self) -> str:
        """Size and direction as displayed, in words."""
        wide, high = self.displayed
        turned = f" turned by {self.turned.rotation_deg}" if self.turned.rotation_deg else ""
        return f"{wide} x {high}{turned}{' mirrored' if self.turned.mirrored else ''}"


class PixelAspect:
    """The width of a stream's pixels over their height, picture by picture.

    The container's value counts, as with ffmpeg and browsers, else the codec's. Where the codec's changes midway, as
    broadcasts do between 4:3 and 16:9, it counts from there on.
    """

    def __init__(self, video: VideoStream) -> None:
        self._video = video
        self._first_coded: Fraction | None = None
        self._begun = False
        self.refused: Fraction | None = None
        """An aspect that was rejected as implausible, see MOST_ANAMORPHIC."""

    def now(self) -> Fraction:
        """The aspect of the frame that was decoded last."""
        coded = self._video.codec_context.sample_aspect_ratio or None
        if not self._begun:
            self._begun, self._first_coded = True, coded
        stated = self._video.sample_aspect_ratio if coded == self._first_coded else coded
        return self._believed(stated or coded or _SQUARE)

    def geometry(self, frame: VideoFrame) -> Geometry:
        """The geometry of the frame that was decoded last."""
        return Geometry(frame.width, frame.height, self.now(), Orientation.of(frame))

    def _believed(self, stated: Fraction) -> Fraction:
        if stated > 0 and 1 / Fraction(MOST_ANAMORPHIC) <= stated <= MOST_ANAMORPHIC:
            return Fraction(stated)
        self.refused = stated
        return _SQUARE


def fitted(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture (H, W, 3) in its own proportions, as large as goes into width x height, on black."""
    scale = min(width / rgb.shape[1], height / rgb.shape[0])
    wide, high = min(width, round(rgb.shape[1] * scale)), min(height, round(rgb.shape[0] * scale))
    small: Any = cv2.resize(rgb, (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    whole = np.zeros((height, width, 3), np.uint8)
    left, top = (width - wide) // 2, (height - high) // 2
    whole[top : top + high, left : left + wide] = small
    return whole
