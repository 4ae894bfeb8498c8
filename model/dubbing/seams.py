"""Steps along the border of a dubbed mouth, from finished crops and the source's: what a viewer sees as a patch.

Both are taken on the change (dub minus source), since the picture's own edges and shades are in both.

Shape suffix legend: N = frames, S = side of a crop in pixels, Q = side of the coarse raster, P = 216 points, XY = 2
coordinates in crop pixels.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from heterodub.model.dubbing.blending import COARSE, star
from heterodub.model.features.arrays import Floats, Pictures

_BAND: Final = (0.1, 0.9)
"""Of the mask: the skin over which a dub fades in. Speech moves it little."""

_BORDER: Final = 0.35
"""The mask up to here, and two places outside of it, are where an edge would show."""

_STEEP: Final = 90
"""Percentile of the steps along the border that counts: an edge need not go all the way round."""

_HELD: Final = 4
"""Frames for which one mask serves: within them a face moves less than a place of the raster."""

_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SeamScores:
    """Steps of each frame (N,), levels of 255. seam: change of luma between neighbouring places (4 pixels of the crop)
    along the border. colour_step: length of the mean change of colour over the skin within it. flicker: mean size of
    that skin's change of luma against the frame before; NaN in the first frame.
    """

    seam_N: NDArray[np.float64]
    colour_step_N: NDArray[np.float64]
    flicker_N: NDArray[np.float64]


def seam_scores(
    dubbed_NSS3: Pictures, source_NSS3: Pictures, source_NPXY: Floats, wanted_NPXY: Floats
) -> SeamScores:  # fmt: skip
    """Measure the border of each frame. Landmarks (N, 216, 2): of the source, and as they were wanted.

    Raises: ValueError - eyes on one place.
    """
    side = dubbed_NSS3.shape[1]
    change_NQQ3 = _pooled(dubbed_NSS3) - _pooled(source_NSS3)
    luma_NQQ = change_NQQ3 @ _LUMA
    seams, steps, flickers = [], [], [np.array([np.nan])]
    for first in range(0, len(luma_NQQ), _HELD):
        held = slice(first, first + _HELD)
        shown = star(source_NPXY[first], wanted_NPXY[first], side)
        band = (shown > _BAND[0]) & (shown < _BAND[1])
        seams.append(_steepness(luma_NQQ[held], shown))
        steps.append(np.linalg.norm(_means(change_NQQ3[held], band), axis=1))
        moved = np.abs(np.diff(luma_NQQ[max(0, first - 1) : held.stop], axis=0))
        flickers.append(_means(moved[..., None], band)[:, 0])
    return SeamScores(np.concatenate(seams), np.concatenate(steps), np.concatenate(flickers))


def _means(values_NQQC: Floats, band_QQ: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the means over a region, (N, C); 0 where it is empty."""
    inside = values_NQQC[:, band_QQ]
    return np.asarray(inside.sum(axis=1) / max(1, inside.shape[1]), np.float64)


def _pooled(pictures_NSS3: Pictures) -> NDArray[np.float32]:
    """Return the means of crops over the places of the raster, (N, Q, Q, 3)."""
    channels = torch.from_numpy(pictures_NSS3).permute(0, 3, 1, 2).float()
    return np.asarray(functional.avg_pool2d(channels, COARSE).permute(0, 2, 3, 1).numpy())


def _steepness(change_NQQ: Floats, shown_QQ: Floats) -> NDArray[np.float64]:
    around = _grown(_grown(shown_QQ > 0)) & (shown_QQ < _BORDER)
    down, across = (np.asarray(one) for one in np.gradient(change_NQQ, axis=(1, 2)))
    steps = np.hypot(down[:, around], across[:, around])
    return np.asarray(np.percentile(steps, _STEEP, axis=1) if steps.shape[1] else np.zeros(len(steps)), np.float64)


def _grown(flags_QQ: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(flags_QQ, 1)
    return np.asarray(padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:] | flags_QQ)
