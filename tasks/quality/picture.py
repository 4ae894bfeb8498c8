"""Picture measures of one face crop. Each takes pixels and returns one number; the clip's value is the median.

Crops are measured at a fixed size, so that numbers of large and small faces can be compared.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb

Grey = NDArray[np.uint8]

MEASURED_FACE_PX = 96
"""Height and width to which a face is scaled before its detail is measured."""

_DARK, _BRIGHT = 16, 250
"""Luma at which a pixel counts as crushed (video black) or blown out."""

_VISIBLE_STEP = 3
"""Levels of luma by which neighbours must differ for a step to be visible: the threshold of visibility is lowest at
middle grey, where it is 3 of 255 levels (Chou and Li 1995). Smaller steps count as none, on the grid and off
it."""

_STEP_FLOOR = 0.5
"""Levels added to both mean steps: one visible step in six pixels. Without it a lone step would be any number of
times as much as the nothing around it."""


@dataclass(frozen=True, slots=True)
class FacePicture:
    """Picture measures of one face in one frame."""

    sharpness: float
    blockiness: float
    colourfulness: float
    brightness: float
    dark_share: float
    bright_share: float


def sharpness(face: Grey) -> float:
    """Measure the detail of a face: spread of its finest structures over that of its coarse ones, at a fixed size.

    The ratio does not move with contrast or exposure. face: (h, w) grey.
    """
    # enlarged by area, pixels become squares, whose edges are finer than anything in the face
    method = cv2.INTER_AREA if min(face.shape) >= MEASURED_FACE_PX else cv2.INTER_LINEAR
    scaled = cv2.resize(face, (MEASURED_FACE_PX, MEASURED_FACE_PX), interpolation=method).astype(np.float32)
    smooth = cv2.GaussianBlur(scaled, (0, 0), 1.0)
    fine, coarse = scaled - smooth, smooth - cv2.GaussianBlur(scaled, (0, 0), 4.0)
    return float(fine.std() / (coarse.std() + 1.0))


def blockiness(grey: Grey, left: int, top: int) -> float:
    """Measure the mean visible luma step across the 8-pixel grid over that elsewhere; 1 is no blocks.

    grey: (h, w) at source resolution, cut at (left, top) of the picture, because the grid starts at its corner.
    """
    picture = grey.astype(np.int16)
    ratios = []
    for axis, offset in ((1, left), (0, top)):
        steps = np.abs(np.diff(picture, axis=axis))
        by_place = np.where(steps < _VISIBLE_STEP, 0, steps).mean(axis=1 - axis)
        on_grid = (np.arange(by_place.size) + offset) % 8 == 7
        if on_grid.any() and not on_grid.all():
            ratios.append((by_place[on_grid].mean() + _STEP_FLOOR) / (by_place[~on_grid].mean() + _STEP_FLOOR))
    return float(np.mean(ratios)) if ratios else 1.0


def colourfulness(rgb: Rgb) -> float:
    """Compute colourfulness M of Hasler and Suesstrunk (2003), on 0..1 pixels; a grey picture gives about 0."""
    red, green, blue = (rgb[..., channel].astype(np.float32) / 255 for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def measure_face(rgb: Rgb, box: tuple[int, int, int, int]) -> FacePicture | None:
    """Measure the face inside box (left, top, right, bottom; pixels) of a frame; None when it lies outside."""
    left, top, right, bottom = _inside(box, rgb.shape)
    if right - left < 8 or bottom - top < 8:
        return None
    face = rgb[top:bottom, left:right]
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA)
    return FacePicture(
        sharpness=sharpness(grey),
        blockiness=blockiness(grey, left, top),
        colourfulness=colourfulness(small),
        brightness=float(np.median(grey)) / 255,
        dark_share=float((grey <= _DARK).mean()),
        bright_share=float((grey >= _BRIGHT).mean()),
    )


def _inside(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return max(0, left), max(0, top), min(shape[1], right), min(shape[0], bottom)


_STILL_LUMA = 1.5
"""Two pictures are the same when no block of them differs by more than this in mean luma.

Still pictures came back from their codecs with up to 1.0; nine in ten pictures of even a blurred talking head differ by
more than 1.7 somewhere.
"""

_STILL_BLOCK = 4
"""Pixels (of the small picture) per block: a moving mouth in a wide shot fills one."""


def is_still(before: Grey | None, now: Grey) -> bool:
    """Return True if two successive pictures (h, w), grey and small, show the same.

    The block that differs most counts, not the mean: in a wide shot only a mouth may move.
    """
    if before is None or before.shape != now.shape:
        return False
    difference = cv2.absdiff(before, now)
    height, width = difference.shape
    size = max(1, width // _STILL_BLOCK), max(1, height // _STILL_BLOCK)
    blocks = cv2.resize(difference.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return float(blocks.max()) < _STILL_LUMA
