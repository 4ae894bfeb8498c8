"""The composite input x(t): the visible part of a frame, and landmarks drawn as lines, one channel per boundary.

All arrays cover the crop's window (mask.WINDOW), W pixels square.

Shape suffix legend: T = frames, S = side of a crop in pixels, W = side of its window, P = 216 points, XY = 2
coordinates, C = channels, N = places along lines.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats, Pictures
from heterodub.model.features.landmarks import BOUNDARIES, SLICES
from heterodub.model.stage2 import mask

_LINES: Final = ("outline", "lip_upper_outer", "lip_upper_inner", "lip_lower_inner", "lip_lower_outer")
"""Boundaries with a channel of their own: those that are hidden in the picture."""

_VISIBLE: Final = tuple(boundary.name for boundary in BOUNDARIES if boundary.part == "pose")
"""Boundaries that share a channel: the picture shows most of them anyway."""

LINES: Final = len(_LINES) + 1
"""Channels with lines."""

CHANNELS: Final = 3 + 1 + LINES
"""Channels of a composite: the visible picture, what is hidden, lines."""

_STEPS: Final = 6
"""Places along each piece of a line between two points; pieces are some two pixels long."""


def composite(pictures_TSS3: Pictures, source_TPXY: Floats, wanted_TPXY: Floats) -> NDArray[np.float32]:
    """Build x(t) of each frame: (T, CHANNELS, W, W).

    The picture lies in -1..1 and is 0 where it is hidden. source_TPXY: landmarks as found, for the hidden region, which
    follows from their pose points alone. wanted_TPXY: landmarks that are drawn. Both in crop pixels.
    """
    side = pictures_TSS3.shape[1]
    rows, columns = mask.window(side)
    hidden_TWW = mask.hidden(source_TPXY, side)[:, rows, columns]
    windows = pictures_TSS3[:, rows, columns].astype(np.float32) / 127.5 - 1
    windows[hidden_TWW] = 0
    lines = drawn(wanted_TPXY, side)
    return np.concatenate([windows.transpose(0, 3, 1, 2), hidden_TWW[:, None].astype(np.float32), lines], axis=1)


def drawn(landmarks_TPXY: Floats, side_px: int) -> NDArray[np.float32]:
    """Draw landmarks (T, 216, 2) in crop pixels as lines of about one pixel: (T, LINES, W, W) in 0..1."""
    rows, columns = mask.window(side_px)
    return lines(np.asarray(landmarks_TPXY, np.float64) - (columns.start, rows.start), rows.stop - rows.start)


def lines(landmarks_TPXY: Floats, width: int) -> NDArray[np.float32]:
    """Draw landmarks (T, 216, 2) in pixels of a square picture as lines of one pixel: (T, LINES, width, width)."""
    placed = np.asarray(landmarks_TPXY, np.float64) - 0.5  # to middles of pixels
    canvas = np.zeros((len(placed), LINES, width * width), np.float32)
    for channel, names in enumerate([*((name,) for name in _LINES), _VISIBLE]):
        _draw(canvas[:, channel], np.concatenate([_along(placed[:, SLICES[name]]) for name in names], axis=1), width)
    return canvas.reshape(len(placed), LINES, width, width)


def _along(curve_TPXY: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate places along curves (T, n, 2): (T, (n - 1) * _STEPS + 1, 2)."""
    share = np.arange(_STEPS)[:, None] / _STEPS
    pieces = curve_TPXY[:, :-1, None] * (1 - share) + curve_TPXY[:, 1:, None] * share
    return np.concatenate([pieces.reshape(len(curve_TPXY), -1, 2), curve_TPXY[:, -1:]], axis=1)


def _draw(canvas_TN: NDArray[np.float32], places_TNXY: NDArray[np.float64], width: int) -> None:
    """Light the four pixels around each place by its nearness; each pixel keeps its brightest value."""
    low = np.floor(places_TNXY).astype(np.int64)
    part = (places_TNXY - low).astype(np.float32)
    frame = np.arange(len(canvas_TN))[:, None]
    for right in (0, 1):
        for down in (0, 1):
            x, y = low[..., 0] + right, low[..., 1] + down
            light = np.abs(1 - right - part[..., 0]) * np.abs(1 - down - part[..., 1])
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < width)
            at = np.where(inside, y * width + x, 0)
            np.maximum.at(canvas_TN, (frame, at), np.where(inside, light, 0))
    np.sqrt(canvas_TN, out=canvas_TN)  # a line between two pixels lights both to 0.7, not 0.5


def in_context(inputs_TCWW: NDArray[np.float32], context: int) -> NDArray[np.float32]:
    """Stack each frame's input with those of `context` frames before and behind: (T, (2 context + 1) C, W, W).

    Before the first and behind the last frame, that frame is repeated.
    """
    frames = len(inputs_TCWW)
    around = np.arange(frames)[:, None] + np.arange(-context, context + 1)
    stacked = inputs_TCWW[np.clip(around, 0, frames - 1)]
    return np.asarray(stacked.reshape(frames, -1, *inputs_TCWW.shape[2:]))
