"""Laying a generated lower face back into its source frame, so that nothing else changes and no seam shows.

What is laid in is a *change*: (generated - source) x mask, worked out in RGB and added to the frame's own luma and
chroma planes. Where the mask is 0 nothing is added, so those samples stay bit-identical; nothing of the frame goes to
RGB and back.

Shape suffix legend: S = side of a crop, N = frames, H, W = rows and columns of a patch in source pixels, XY = 2
coordinates in crop pixels.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from model.features.landmarks import LIPS, OUTLINE, SLICES

Floats = NDArray[np.floating[Any]]
Plane = NDArray[np.uint8]

_EDGE: Final = 0.05
"""The mask reaches this share beyond the jaw: an outline is placed to a few pixels."""

_FEATHER: Final = 0.3
_SHARPEST: Final = 0.08
"""Share of the way from the border to the middle of the mouth over which the mask rises from 0 to 1: FEATHER, less where
the lips reach further out, down to SHARPEST."""

_LIPS: Final = 1.1
"""Of the lips' distance from the middle of the mouth: so far out the mask is 1, for old lips must not shine through."""

_LEAST_SHARE, _ENOUGH_SHARE = 0.1, 0.5
"""A blend with less of the painted picture does not tell what was painted; with more, it is laid in fully."""

_COARSE: Final = 8
"""Colours are matched on a raster this much coarser."""

_MOST: Final = 0.2
"""Largest change of colour, of full scale: more is not light but another thing."""

_LUMA: Final = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Weights of red and blue by ffmpeg's number of the matrix (H.273, table 4)."""

_SD_LUMA: Final = (0.299, 0.114)
"""The same for matrices 5 and 6, and for what names none: what ffmpeg assumes, too."""


def soft_mask(source_XY: Floats, wanted_XY: Floats, side: int) -> NDArray[np.float32]:
    """Where the generated face shows, 0..1, (S, S): from the nose's lower edge down to both chins and a little further.

    source_XY, wanted_XY: (216, 2) in crop pixels. It is a star around the mouth, so its border is smooth; it covers the
    source's jaw and the wanted one, for the old chin must not be seen beside the new one.
    """
    centre = (source_XY[LIPS].mean(axis=0) + wanted_XY[LIPS].mean(axis=0)) / 2
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) + np.float32(0.5)
    across, down = columns - np.float32(centre[0]), rows - np.float32(centre[1])
    angle, away = np.arctan2(down, across), np.hypot(across, down)
    around = np.linspace(-np.pi, np.pi, 181)
    border = np.maximum(_border(source_XY, centre, around), _border(wanted_XY, centre, around))
    lips = np.maximum(_lips(source_XY, centre, around), _lips(wanted_XY, centre, around))
    width = np.clip(border - _LIPS * lips, _SHARPEST * border, _FEATHER * border)
    reach, ramp = (np.interp(angle, around, values).astype(np.float32) for values in (border, width))
    rise = np.clip((reach - away) / ramp, 0.0, 1.0)
    return np.asarray(rise**2 * (3 - 2 * rise), np.float32)


def _border(points_XY: Floats, centre: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the border from the centre at each angle: jaw below the nose, and the nose's lower edge above."""
    nose, jaw = points_XY[SLICES["nose_lower"]], points_XY[OUTLINE]
    up = points_XY[SLICES["nose_bridge"]][0] - jaw[len(jaw) // 2]
    level = (nose @ up).mean()
    below = jaw[(jaw @ up) < level]
    lower = centre + (below - centre) * (1 + _EDGE)
    return _radii(np.concatenate([nose, lower]) - centre, around)


def _lips(points_XY: Floats, centre: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the lips' outer edge from the centre at each angle."""
    edge = np.concatenate([points_XY[SLICES[f"lip_{side}_outer"]] for side in ("upper", "lower")])
    return _radii(edge - centre, around)


def _radii(edge: Floats, around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths of the arrows (n, 2) at given angles, between the nearest ones."""
    angle, away = np.arctan2(edge[:, 1], edge[:, 0]), np.hypot(edge[:, 0], edge[:, 1])
    order = np.argsort(angle)
    return np.interp(around, angle[order], away[order], period=2 * np.pi)


def unblended(blended_NSS3: Floats, pictures_NSS3: Plane, share_NSS: Floats) -> NDArray[np.float32]:
    """What a translator painted, out of its blend with the pictures (uint8): (N, S, S, 3) in 0..1.

    A blend is made in the crop's resolution, and would bring the source's pixels back blurred. share_NSS: of what is
    painted in the blend; where there is too little of it to tell, the result is the picture.
    """
    pictures = pictures_NSS3.astype(np.float32) / 255
    share = np.asarray(share_NSS, np.float32)[..., None]
    painted = pictures + (blended_NSS3 - pictures) / np.maximum(share, _LEAST_SHARE)
    return np.clip(np.where(share >= _LEAST_SHARE, painted, pictures), 0.0, 1.0)


def shown_share(star_NSS: Floats, share_NSS: Floats) -> NDArray[np.float32]:
    """How much of what was painted is laid in: the star around the mouth, as far as the translator painted it."""
    told = np.clip((share_NSS - _LEAST_SHARE) / (_ENOUGH_SHARE - _LEAST_SHARE), 0.0, 1.0)
    return np.asarray(star_NSS * told, np.float32)


def match_colours(generated_NSS3: Floats, pictures_NSS3: Plane, mask_NSS: Floats) -> NDArray[np.float32]:
    """The generated crops (0..1) with the light and colour of the pictures (uint8) they are laid into.

    Along the mask's border both should show the same skin. What they differ by there, averaged over some pixels, is
    spread inwards and added: a step of colour goes, the mouth's own shades stay.
    """
    picture = torch.from_numpy(pictures_NSS3.astype(np.float32) / 255).permute(0, 3, 1, 2)
    generated = torch.from_numpy(np.asarray(generated_NSS3, np.float32)).permute(0, 3, 1, 2)
    mask = torch.from_numpy(np.asarray(mask_NSS, np.float32))[:, None]
    weight = (4 * mask * (1 - mask)) ** 2
    step = functional.avg_pool2d((picture - generated) * weight, _COARSE)
    known = functional.avg_pool2d(weight, _COARSE)
    for _ in range(6):  # a wide Gaussian, as a cascade of small ones
        step, known = _spread(step), _spread(known)
    field = (step / known.clamp_min(1e-6)).clamp(-_MOST, _MOST)
    smooth = functional.interpolate(field, size=picture.shape[-2:], mode="bilinear", align_corners=False)
    return np.asarray((generated + smooth).clamp(0, 1).permute(0, 2, 3, 1).numpy())


def _spread(values: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(functional.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


@dataclass(frozen=True, slots=True)
class Colours:
    """How a frame's samples stand for colours. matrix: ffmpeg's number of it. full: whether 0..255 is all used."""

    matrix: int = 2
    full: bool = False

    @property
    def to_yuv(self) -> NDArray[np.float32]:
        """Change of luma and both chroma samples for a change of red, green and blue (0..255): (3, 3)."""
        red, blue = _LUMA.get(self.matrix, _SD_LUMA)
        luma = np.array([red, 1 - red - blue, blue])
        blueness = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
        redness = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
        spans = np.array([255, 255, 255] if self.full else [219, 224, 224]) / 255
        return np.asarray(np.stack([luma, blueness, redness]) * spans[:, None], np.float32)


@dataclass(frozen=True, slots=True)
class Planes:
    """A frame's luma (H, W) and chroma planes, turned as displayed and written to in place.

    halved: whether chroma has half the rows and columns (4:2:0), else as many as luma (4:4:4).
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
    _add(planes.luma, top, left, yuv[..., 0])
    if planes.halved:
        yuv = np.pad(yuv, ((top % 2, (top + yuv.shape[0]) % 2), (left % 2, (left + yuv.shape[1]) % 2), (0, 0)))
        yuv = (yuv[0::2, 0::2] + yuv[1::2, 0::2] + yuv[0::2, 1::2] + yuv[1::2, 1::2]) / 4
        top, left = top // 2, left // 2
    _add(planes.blueness, top, left, yuv[..., 1])
    _add(planes.redness, top, left, yuv[..., 2])


def _add(plane: Plane, top: int, left: int, change: Floats) -> None:
    part = plane[top : top + change.shape[0], left : left + change.shape[1]]
    part[...] = np.clip(np.rint(part + change), 0, 255).astype(np.uint8)
