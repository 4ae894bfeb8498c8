"""Blend masks and relighting of generated crops: no seam around the new mouth, no old mouth within it.

Masks and light are smooth, so they are computed on a raster four times coarser than the crop.

Shape suffix legend: N = frames, S = side of a crop in pixels, Q = side of the coarse raster, P = 216 points, XY = 2
coordinates in crop pixels.
"""

from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from heterodub.model.dubbing.motion import CHIN
from heterodub.model.features.arrays import Floats, Pictures
from heterodub.model.features.landmarks import LIPS, OUTLINE, SLICES
from heterodub.model.stage2 import mask

COARSE: Final = 4
"""Pixels of the crop on each side of a place of the raster."""

_EDGE: Final = 0.05
"""The mask reaches this share beyond the jaw: an outline is placed to a few pixels."""

_FEATHER: Final = 0.3
_SHARPEST: Final = 0.08
"""Share of the way from the border to the middle of the mouth over which the mask rises from 0 to 1: FEATHER, less
where the lips reach further out, down to SHARPEST."""

_LIPS: Final = 1.25
"""Of the lips' distance from the middle of the mouth: so far out the mask is 1, for old lips must not shine through."""

_BESIDE: Final = 1.8
"""Towards the ears the border lies at most at this many half widths of the mouth."""

_AROUND: Final = 1.5
"""And so far out the border is not rounded off."""

_ROUND: Final = 15
"""Places of two degrees to either side over which corners of the border are rounded."""

_LIKE: Final = 0.06
"""Difference of colour, of full scale, at which two sides of the border count half as one skin: hair is not skin."""

_LEAST_SHARE, _ENOUGH_SHARE = 0.1, 0.5
"""Share of the generated picture in the translator's blend below which it cannot be recovered, and from which it is
laid in fully."""

_SPREADS: Final = 6
"""Number of times that a difference of light is averaged over its neighbours: a Gaussian of two or three places."""

_MOST: Final = 0.2
"""Largest change of light, of full scale: larger differences have other causes."""


def shown(source_NPXY: Floats, wanted_NPXY: Floats, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mask that lays the generated picture in, and its share in the translator's blend: (N, Q, Q), 0..1.

    The mask is a star around the mouth, limited to what the translator generated. Landmarks (N, 216, 2): of the source,
    and as they are to be.

    Raises: ValueError - the side is no multiple of 32, or eyes on one place.
    """
    raster = side // COARSE
    share = mask.soft(np.asarray(source_NPXY) / COARSE, raster)
    stars = np.stack([star(*pair, side) for pair in zip(source_NPXY, wanted_NPXY, strict=True)])
    confidence = np.clip((share - _LEAST_SHARE) / (_ENOUGH_SHARE - _LEAST_SHARE), 0.0, 1.0)
    return stars * confidence.astype(np.float32), share


def star(source_XY: Floats, wanted_XY: Floats, side: int) -> NDArray[np.float32]:
    """Return the mask of the generated face, 0..1, (Q, Q): from the nose's lower edge to just below both chins.

    source_XY, wanted_XY: (216, 2). It is a star around the mouth, so its border is smooth; it covers the source's jaw
    and the wanted one, for the old chin must not be seen beside the new one.
    """
    centre = (source_XY[LIPS].mean(axis=0) + wanted_XY[LIPS].mean(axis=0)) / 2
    places = ((np.arange(side // COARSE) + 0.5) * COARSE).astype(np.float32)
    across, down = places[None] - np.float32(centre[0]), places[:, None] - np.float32(centre[1])
    angle, away = np.arctan2(down, across), np.hypot(across, down)
    around = np.linspace(-np.pi, np.pi, 181)
    whole = np.maximum(_border(source_XY, centre, around), _border(wanted_XY, centre, around))
    lips = np.maximum(_lips(source_XY, centre, around), _lips(wanted_XY, centre, around))
    border = np.maximum(_rounded(whole), np.minimum(whole, _AROUND * lips))
    width = np.clip(border - _LIPS * lips, _SHARPEST * border, _FEATHER * border)
    reach, ramp = (np.interp(angle, around, values).astype(np.float32) for values in (border, width))
    rise = np.clip((reach - away) / ramp, 0.0, 1.0)
    sharp = torch.from_numpy(np.asarray(rise**2 * (3 - 2 * rise), np.float32))[None, None]
    return np.asarray(_spread(sharp)[0, 0].numpy())


def _rounded(border: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round the corners of the border: one that points inwards would show as an edge."""
    ring = border[:-1]  # its last place is its first
    smooth = _rounding(len(ring)) @ ring
    return np.append(np.minimum(ring, smooth), min(ring[0], smooth[0]))


@cache
def _rounding(places: int) -> NDArray[np.float64]:
    """Return the matrix that averages a ring of so many places over the neighbours of each."""
    turns = np.arange(-_ROUND, _ROUND + 1)
    weights = np.exp(-0.5 * (2.5 * turns / _ROUND) ** 2)
    kernel = np.zeros(places)
    kernel[turns] = weights / weights.sum()
    return np.stack([np.roll(kernel, place) for place in range(places)])


def _border(points_XY: Floats, centre: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the border's distance from the centre at each angle: jaw below the nose, nose's lower edge above.

    Towards the ears, where speech moves nothing, it stays near the mouth: the picture's own cheek is right there, and
    what a reference frame shows in its place may be hair or a jaw that is seen from elsewhere.
    """
    nose, jaw = points_XY[SLICES["nose_lower"]], points_XY[OUTLINE]
    up = points_XY[SLICES["nose_bridge"]][0] - jaw[len(jaw) // 2]
    level = (nose @ up).mean()
    beside = _BESIDE * _lips(points_XY, centre, around).max()
    out = (jaw - centre) * (1 + _EDGE)
    away = np.hypot(out[:, :1], out[:, 1:])
    out *= CHIN + (1 - CHIN) * np.minimum(1.0, beside / away)
    return _radii(np.concatenate([nose - centre, out[(jaw @ up) < level]]), around)


def _lips(points_XY: Floats, centre: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of the lips' outer edge from the centre at each angle."""
    edge = np.concatenate([points_XY[SLICES[f"lip_{side}_outer"]] for side in ("upper", "lower")])
    return _radii(edge - centre, around)


def _radii(edge: Floats, around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate the lengths of vectors (n, 2) at some angles."""
    angle, away = np.arctan2(edge[:, 1], edge[:, 0]), np.hypot(edge[:, 0], edge[:, 1])
    order = np.argsort(angle)
    return np.interp(around, angle[order], away[order], period=2 * np.pi)


def unblended(
    blended_NSS3: Floats, pictures_NSS3: Pictures, share_NQQ: Floats, shown_NQQ: Floats
) -> NDArray[np.float32]:
    """Recover the generated picture from a translator's blend and match its light to the pictures (uint8) it is laid
    into: (N, S, S, 3) in 0..1.

    The blend is undone, since it has the crop's resolution and would bring the source's own pixels back blurred. At
    the mask's border, generated picture and source should show the same skin: their difference there, averaged over
    some pixels, is spread inwards and added. That removes steps of light and keeps the mouth's own shades.
    """
    pictures = torch.from_numpy(pictures_NSS3).permute(0, 3, 1, 2).float() / 255
    blended = torch.from_numpy(np.asarray(blended_NSS3, np.float32)).permute(0, 3, 1, 2)
    share = torch.from_numpy(np.asarray(share_NQQ, np.float32))[:, None]
    fine = functional.interpolate(share, size=pictures.shape[-2:], mode="bilinear", align_corners=False)
    generated = torch.lerp(pictures, blended, 1 / fine.clamp_min(_LEAST_SHARE)).clamp(0, 1)
    generated = torch.where(fine >= _LEAST_SHARE, generated, pictures)
    border = torch.from_numpy(np.asarray(shown_NQQ, np.float32))[:, None]
    off = functional.avg_pool2d(pictures - generated, COARSE)
    strange = (off / _LIKE).square().mean(1, keepdim=True)
    weight = (4 * border * (1 - border)) ** 2 / (1 + strange)
    step = functional.avg_pool2d(off * weight, 2)
    coverage = functional.avg_pool2d(weight, 2)
    for _ in range(_SPREADS):
        step, coverage = _spread(step), _spread(coverage)
    light = (step / coverage.clamp_min(1e-6)).clamp(-_MOST, _MOST)
    generated += functional.interpolate(light, size=pictures.shape[-2:], mode="bilinear", align_corners=False)
    return np.asarray(generated.clamp_(0, 1).permute(0, 2, 3, 1).numpy())


def _spread(values: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(functional.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
