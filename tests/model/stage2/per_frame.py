"""Composite, mask and warp of single frames, plainly in NumPy and SciPy, in 64 bits: what batches must equal."""

from itertools import pairwise

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from torch.nn.functional import grid_sample

from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import BOUNDARIES, SLICES
from heterodub.model.stage2 import mask, warp

ALONE = ("outline", "lip_upper_outer", "lip_upper_inner", "lip_lower_inner", "lip_lower_outer")
SHARED = tuple(boundary.name for boundary in BOUNDARIES if boundary.part == "pose")


def norm(points, side):
    """The distance of each pixel from the middle of the hidden region, 1 on its border: (S, S)."""
    frame = FaceFrame.of(points[None])
    places = np.arange(side) + 0.5
    at = (places[None, :] + 1j * places[:, None] - frame.origin_T[0]) / frame.turn_T[0]
    return (((at.real - 0) / 1.2) ** 4 + ((at.imag - 1.22) / 0.68) ** 4) ** 0.25


def lines(points, side):
    """Landmarks drawn as lines within the window: (6, W, W)."""
    rows, columns = mask.window(side)
    width = rows.stop - rows.start
    canvas = np.zeros((6, width, width))
    for channel, names in enumerate([*((name,) for name in ALONE), SHARED]):
        for curve in (points[SLICES[name]].astype(np.float64) - (columns.start, rows.start) - 0.5 for name in names):
            for one, other in pairwise(curve):
                for step in range(7):
                    _light(canvas[channel], one + (other - one) * step / 6)
    return np.sqrt(canvas)


def _light(canvas, place):
    low = np.floor(place).astype(int)
    for x in (low[0], low[0] + 1):
        for y in (low[1], low[1] + 1):
            if 0 <= x < len(canvas) and 0 <= y < len(canvas):
                canvas[y, x] = max(canvas[y, x], (1 - abs(x - place[0])) * (1 - abs(y - place[1])))


def composite(picture, points, wanted):
    """x(t) of one frame: (10, W, W)."""
    side = len(picture)
    rows, columns = mask.window(side)
    hidden = (norm(points, side) < 1)[rows, columns]
    shown = np.where(hidden, 0, picture[rows, columns].transpose(2, 0, 1) / 127.5 - 1)
    return np.concatenate([shown, hidden[None], lines(wanted, side)])


def soft(points, side):
    """The blend weight within the window, away from the window's edge: (W, W)."""
    share = np.clip((1 - norm(points, side)) / 0.22, 0, 1)[mask.window(side)]
    return share * share * (3 - 2 * share)


def warped(picture, points, wanted):
    """The window of a reference, each of whose pixels is moved by the spline itself: (3, W, W)."""
    side = len(picture)
    rows, columns = mask.window(side)
    fixed = np.concatenate([wanted[warp._SPLINED] / side, warp._FRAME]).astype(np.float64)
    shift = np.concatenate([(points - wanted)[warp._SPLINED] / side, np.zeros_like(warp._FRAME)])
    spline = RBFInterpolator(fixed, shift, kernel="thin_plate_spline", smoothing=warp._SMOOTHING)
    x, y = np.meshgrid(np.arange(columns.start, columns.stop) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
    at = np.stack([x, y], axis=-1).reshape(-1, 2) / side
    moved = torch.from_numpy((at + spline(at)).reshape(1, *x.shape, 2) * 2 - 1)
    pixels = torch.from_numpy(picture / 255).permute(2, 0, 1)[None]
    sampled = grid_sample(pixels, moved, "bicubic", padding_mode="border", align_corners=False)
    return sampled.clamp(0, 1)[0].numpy()
