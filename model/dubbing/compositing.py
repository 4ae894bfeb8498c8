"""Compositing of a generated lower face into its source frame, leaving all other samples bit-identical.

A *change*, (generated - source) x mask, is computed in RGB and added to the frame's own luma and chroma planes. Where
the mask is 0 nothing is added, so those samples stay bit-identical; the frame itself is not converted to RGB and back.

Shape suffix legend: H, W = rows and columns of a patch in source pixels.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats

Plane = NDArray[np.uint8] | NDArray[np.uint16]

_LUMA: Final = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Weights of red and blue by ffmpeg's number of the matrix (H.273, table 4)."""

_SD_LUMA: Final = (0.299, 0.114)
"""The same for matrices 5 and 6, and for what names none: what ffmpeg assumes, too."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Colour encoding of a frame's samples. matrix: ffmpeg's number. full: True for full range, False for 16..235.
    bits: of a sample.
    """

    matrix: int = 2
    full: bool = False
    bits: int = 8

    @property
    def most(self) -> int:
        """The highest value of a sample."""
        return int(2**self.bits - 1)

    @property
    def to_yuv(self) -> NDArray[np.float32]:
        """Matrix (3, 3) from a change of red, green and blue (0..255) to one of luma and both chroma samples."""
        red, blue = _LUMA.get(self.matrix, _SD_LUMA)
        luma = np.array([red, 1 - red - blue, blue])
        blueness = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
        redness = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
        narrow = np.array([219, 224, 224]) * 2 ** (self.bits - 8)
        spans = (np.full(3, self.most) if self.full else narrow) / 255
        return np.asarray(np.stack([luma, blueness, redness]) * spans[:, None], np.float32)


@dataclass(frozen=True, slots=True)
class Planes:
    """A frame's luma (H, W) and chroma planes, turned as displayed and written to in place.

    halved: True if chroma has half the rows and columns (4:2:0), else as many as luma (4:4:4).
    """

    luma: Plane
    blueness: Plane
    redness: Plane
    halved: bool


def lay_in(planes: Planes, colours: Colours, left: int, top: int, change_HW3: Floats) -> None:
    """Add a change of colour (H, W, 3; RGB, 0..255) to the part of the frame that begins at (left, top).

    What lies outside the frame is left out. A sample with no change at all keeps its value.
    """
    height, width = planes.luma.shape
    rows = slice(max(0, -top), min(change_HW3.shape[0], height - top))
    columns = slice(max(0, -left), min(change_HW3.shape[1], width - left))
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    yuv = np.asarray(change_HW3[rows, columns], np.float32) @ colours.to_yuv.T
    top, left = top + rows.start, left + columns.start
    _add(planes.luma, top, left, yuv[..., 0], colours.most)
    if planes.halved:
        yuv = np.pad(yuv, ((top % 2, (top + yuv.shape[0]) % 2), (left % 2, (left + yuv.shape[1]) % 2), (0, 0)))
        yuv = (yuv[0::2, 0::2] + yuv[1::2, 0::2] + yuv[0::2, 1::2] + yuv[1::2, 1::2]) / 4
        top, left = top // 2, left // 2
    _add(planes.blueness, top, left, yuv[..., 1], colours.most)
    _add(planes.redness, top, left, yuv[..., 2], colours.most)


def _add(plane: Plane, top: int, left: int, change: Floats, most: int) -> None:
    part = plane[top : top + change.shape[0], left : left + change.shape[1]]
    part[...] = np.clip(np.rint(part + change), 0, most).astype(plane.dtype)
