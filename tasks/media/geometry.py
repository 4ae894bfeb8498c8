"""Size, shape and direction in which a decoded picture is displayed: square pixels, turned as its camera meant it."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

_Container: Final[Any] = SideDataContainer
"""PyAV's own types do not say how it is made, nor by which key it is read."""


def side_data_of(frame: VideoFrame, kind: Type) -> NDArray[np.int32] | None:
    """One kind of a frame's side data, (n,) int32; None where it has none.

    Not by `frame.side_data`: frame and container then hold each other, and as Python does not see how large a frame
    is, hundreds of megabytes wait for the garbage collector.
    """
    entry = _Container(frame).get(kind)
    return None if entry is None else np.frombuffer(bytes(entry), np.int32)


_QUARTER_DEG: Final = 90


@dataclass(frozen=True, slots=True)
class Orientation:
    """Quarter turns clockwise, after an optional left-right mirror: all transformations that keep pixels whole."""

    clockwise_quarters: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """Orientation that the frame's display matrix states, to the nearest quarter turn; upright when it has none."""
        matrix = side_data_of(frame, Type.DISPLAYMATRIX)
        return cls() if matrix is None else cls.from_matrix(matrix)

    @classmethod
    def from_matrix(cls, matrix: np.ndarray) -> "Orientation":
        """From ffmpeg's nine 16.16 numbers: picture (x, y) is shown at (a x + c y, b x + d y)."""
        a, b, c, d = (int(matrix[at]) for at in (0, 1, 3, 4))
        determinant = a * d - b * c
        if determinant == 0:
            return cls()
        mirrored = determinant < 0
        if mirrored:  # take the mirror of x off: what is left is a rotation
            a, b = -a, -b
        return cls(round(math.degrees(math.atan2(b, a)) / _QUARTER_DEG) % 4, mirrored)

    @property
    def rotation_deg(self) -> int:
        """Degrees clockwise: 0, 90, 180 or 270."""
        return self.clockwise_quarters * _QUARTER_DEG

    @property
    def upright(self) -> bool:
        """True if the picture needs no turning or mirroring."""
        return self == Orientation()

    def displayed(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after turning."""
        return (height, width) if self.clockwise_quarters % 2 else (width, height)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) as displayed, contiguous."""
        if self.upright:
            return rgb
        straight = rgb[:, ::-1] if self.mirrored else rgb
        return np.ascontiguousarray(np.rot90(straight, -self.clockwise_quarters))


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
        if stated == _SQUARE:
            return _SQUARE
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
