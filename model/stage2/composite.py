"""The composite input x(t): the visible part of a frame, and landmarks drawn as lines, one channel per boundary.

All arrays cover the crop's window (mask.WINDOW), W pixels square.

Shape suffix legend: T = frames, S = side of a crop in pixels, W = side of its window, P = 216 points, XY = 2
coordinates, C = channels, N = places along lines, U = frames in any order, G = frames of a context.

Tensors in, tensors out, on their device: of a training's batch and of inference alike.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.landmarks import BOUNDARIES, SLICES
from heterodub.model.stage2 import mask
from heterodub.schemas.contract import LANDMARK_POINTS

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


def _line_places() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return the places along all lines: the points before and behind, the share of the way, and the channel."""
    parts = []
    for channel, names in enumerate([*((name,) for name in _LINES), _VISIBLE]):
        for points in (np.arange(LANDMARK_POINTS)[SLICES[name]] for name in names):
            steps = np.append(np.arange((len(points) - 1) * _STEPS), (len(points) - 1) * _STEPS)
            before = points[np.minimum(steps // _STEPS, len(points) - 2)]
            share = (steps - (before - points[0]) * _STEPS) / _STEPS
            parts.append((before, before + 1, share.astype(np.float32), np.full(len(steps), channel)))
    before, behind, share, channels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return before, behind, share, channels


_PLACES: Final = _line_places()


def composite(pictures_TSS3: Tensor, poses_T4: Tensor, wanted_TPXY: Tensor) -> Tensor:
    """Build x(t) of each frame: (T, CHANNELS, W, W).

    The picture (uint8) lies in -1..1 and is 0 where it is hidden. poses_T4: mask.poses of the landmarks as found, for
    the hidden region. wanted_TPXY: landmarks that are drawn, in crop pixels.
    """
    side = pictures_TSS3.shape[1]
    hidden_TWW = mask.hidden_window(poses_T4, side)[:, None]
    windows = signed(pictures_TSS3).masked_fill(hidden_TWW, 0.0)
    return torch.cat([windows, hidden_TWW.float(), drawn(wanted_TPXY, side)], dim=1)


def signed(pictures_TSS3: Tensor) -> Tensor:
    """Return the windows of crops (T, S, S, 3) uint8 in -1..1: (T, 3, W, W)."""
    rows, columns = mask.window(pictures_TSS3.shape[1])
    return pictures_TSS3[:, rows, columns].permute(0, 3, 1, 2).float() / 127.5 - 1


def drawn(landmarks_TPXY: Tensor, side_px: int) -> Tensor:
    """Draw landmarks (T, 216, 2) in crop pixels as lines of about one pixel: (T, LINES, W, W) in 0..1."""
    rows, columns = mask.window(side_px)
    corner = torch.from_numpy(np.array([columns.start, rows.start], np.float32)).to(landmarks_TPXY.device)
    return lines(landmarks_TPXY - corner, rows.stop - rows.start)


def lines(landmarks_TPXY: Tensor, width: int) -> Tensor:
    """Draw landmarks (T, 216, 2) in pixels of a square picture as lines of one pixel: (T, LINES, width, width).

    Each place along a line lights the four pixels around it by its nearness; a pixel keeps its brightest value.
    """
    before, behind, share, channels = (torch.from_numpy(part).to(landmarks_TPXY.device) for part in _PLACES)
    pairs = landmarks_TPXY.float()
    places_TNXY = pairs[:, before] * (1 - share[:, None]) + pairs[:, behind] * share[:, None] - 0.5  # pixels' middles
    low = places_TNXY.floor()
    part = places_TNXY - low
    (x, y), (right, down) = low.long().unbind(-1), part.unbind(-1)
    places, lights = [], []
    for column, light_x in ((x, 1 - right), (x + 1, right)):
        for row, light_y in ((y, 1 - down), (y + 1, down)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < width)
            places.append(torch.where(inside, (channels * width + row) * width + column, 0))
            lights.append(torch.where(inside, light_x * light_y, 0.0))
    canvas = pairs.new_zeros(len(pairs), LINES * width * width)
    canvas.scatter_reduce_(1, torch.cat(places, dim=1), torch.cat(lights, dim=1), "amax")
    # a line between two pixels lights both to 0.7, not 0.5
    return canvas.sqrt().reshape(len(pairs), LINES, width, width)


def in_context(inputs_TCWW: Tensor, context: int) -> Tensor:
    """Stack each frame's input with those of `context` frames before and behind: (T, (2 context + 1) C, W, W).

    Before the first and behind the last frame, that frame is repeated.
    """
    frames, device = len(inputs_TCWW), inputs_TCWW.device
    around = torch.arange(frames, device=device)[:, None] + torch.arange(-context, context + 1, device=device)
    return stacked(inputs_TCWW, around.clamp(0, frames - 1))


def stacked(inputs_UCWW: Tensor, around_TG: Tensor) -> Tensor:
    """Stack the inputs of frames along the channels, by their numbers: (T, G C, W, W)."""
    return inputs_UCWW[around_TG].flatten(1, 2)
