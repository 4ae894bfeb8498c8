"""Reference frames warped to the wanted landmarks: an untrained translator, and an input of trained ones.

The reference frames nearest in pose and mouth are selected; each is warped by a thin-plate spline from its landmarks to
the wanted ones.

Shape suffix legend: T = frames, R = reference frames, K = candidates, S = side of a crop in pixels, W = side of the
window (mask.WINDOW) in pixels, P = 216 points, N = points a spline goes through, XY = 2 coordinates.
"""

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from torch.nn import functional

from heterodub.model.features.arrays import Floats, Pictures
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import BOUNDARIES, LIPS, OUTLINE, SLICES
from heterodub.model.stage2 import mask
from heterodub.model.stage2.translator import Appearance, require
from heterodub.schemas.contract import LANDMARK_POINTS

_EVERY: Final = {"lips": 1, "face": 2, "pose": 4}
"""One of so many points goes into a spline: moving parts are sampled densely, still ones sparsely."""

_SPLINED: Final = np.concatenate(
    [np.arange(LANDMARK_POINTS)[SLICES[boundary.name]][:: _EVERY[boundary.part]] for boundary in BOUNDARIES]
)
_SMOOTHING: Final = 1e-4
"""Smoothing of the spline, in squares of a crop's side: closed lips put two points on one place."""

_GRID: Final = 25
"""Places along each side of the window at which a spline is evaluated; between them it is as good as straight."""

_FRAME: Final = np.array([(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0) if (x, y) != (0.5, 0.5)])
"""Points on the crop's edge that stay where they are, as shares of its side: the background is not dragged along."""

_COMPARED: Final = np.concatenate([np.arange(LANDMARK_POINTS)[part] for part in (OUTLINE, LIPS, SLICES["nose_lower"])])
"""Points by which reference frames are compared: mouth shape and head pose."""


def nearest(reference_RPXY: Floats, wanted_TPXY: Floats, count: int) -> NDArray[np.intp]:
    """Select the `count` reference frames nearest in pose and mouth to each wanted face, nearest first: (T, count).

    With fewer references than that, the farthest is repeated.

    Raises: ValueError - landmarks of another shape, or eyes on one place.
    """
    have = FaceFrame.of(reference_RPXY).enter(reference_RPXY)[:, _COMPARED].reshape(len(reference_RPXY), -1)
    want = FaceFrame.of(wanted_TPXY).enter(wanted_TPXY)[:, _COMPARED].reshape(len(wanted_TPXY), -1)
    squares = (want**2).sum(1)[:, None] - 2 * want @ have.T + (have**2).sum(1)
    order = np.argsort(squares, axis=1, kind="stable")[:, :count]
    return np.pad(order, ((0, 0), (0, count - order.shape[1])), mode="edge")


def warped(references_KSS3: Pictures, references_KPXY: Floats, wanted_PXY: Floats) -> NDArray[np.float32]:
    """Warp the window of reference crops so that their landmarks lie on the wanted ones: (K, W, W, 3) in 0..1.

    Landmarks (K, 216, 2) and (216, 2) in crop pixels. Beyond the crop its edge is repeated. The splines of all crops
    have the same nodes, the wanted landmarks, so they are solved together.
    """
    count, side = references_KSS3.shape[:2]
    left, top, share = mask.WINDOW
    fixed = np.concatenate([wanted_PXY[_SPLINED] / side, _FRAME])
    off_NKXY = np.moveaxis(references_KPXY[:, _SPLINED] - wanted_PXY[_SPLINED], 0, 1) / side
    shift = np.concatenate([off_NKXY, np.zeros((len(_FRAME), count, 2))]).reshape(len(fixed), -1)
    half = share / 2 / (_GRID - 1)
    across = np.linspace(left - half, left + share + half, _GRID)  # any places will do: they are interpolated
    along = np.linspace(top - half, top + share + half, _GRID)
    grid = np.stack(np.meshgrid(across, along), axis=-1)
    spline = RBFInterpolator(fixed, shift, kernel="thin_plate_spline", smoothing=_SMOOTHING)
    moved = spline(grid.reshape(-1, 2)).reshape(_GRID, _GRID, count, 2)
    return _sampled(references_KSS3, grid + np.moveaxis(moved, 2, 0), round(share * side))


def _sampled(pictures_KSS3: Pictures, places_KGGXY: NDArray[Any], width: int) -> NDArray[np.float32]:
    """Sample pictures at places of a coarse grid, whose outer points lie half a cell beyond the window."""
    coarse = torch.from_numpy(places_KGGXY.astype(np.float32)).permute(0, 3, 1, 2)
    cell = 1 / (_GRID - 1)
    # the window's pixel middles on the grid, in grid_sample's -1..1 from first to last grid point
    at = ((torch.arange(width) + 0.5) / width + cell / 2) / (1 + cell) * 2 - 1
    lattice = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).expand(len(coarse), -1, -1, -1)
    places = functional.grid_sample(coarse, lattice, align_corners=True).permute(0, 2, 3, 1)
    pictures = torch.from_numpy(pictures_KSS3).permute(0, 3, 1, 2).float() / 255
    # bicubic: bilinear sampling took a quarter of the Laplacian energy of real faces away
    moved = functional.grid_sample(pictures, places * 2 - 1, "bicubic", padding_mode="border", align_corners=False)
    return moved.clamp(0, 1).permute(0, 2, 3, 1).numpy()


def candidates(appearance: Appearance, wanted_TPXY: Floats, count: int) -> NDArray[np.float32]:
    """Warp the window of the `count` nearest reference frames: (T, K, W, W, 3) in 0..1.

    Raises: as `nearest`.
    """
    neighbours = nearest(appearance.landmarks_RPXY, wanted_TPXY, count)
    return np.stack(
        [
            warped(appearance.pictures_RSS3[nearby], appearance.landmarks_RPXY[nearby], wanted_PXY)
            for nearby, wanted_PXY in zip(neighbours, np.asarray(wanted_TPXY, np.float64), strict=True)
        ]
    )


def blended(pictures_TSS3: Pictures, generated_TWW3: NDArray[np.float32], source_TPXY: Floats) -> NDArray[np.float32]:
    """Blend generated windows softly into the hidden region of source crops (T, S, S, 3): (T, S, S, 3) in 0..1."""
    side = pictures_TSS3.shape[1]
    rows, columns = mask.window(side)
    share = mask.soft(source_TPXY, side)[:, rows, columns, None]
    whole = pictures_TSS3.astype(np.float32) / 255
    whole[:, rows, columns] = (1 - share) * whole[:, rows, columns] + share * generated_TWW3  # exact at 0 and at 1
    return np.asarray(whole, np.float32)


class WarpTranslator:
    """A translator.Translator without training: the nearest reference frame, warped."""

    context = 0

    def __init__(self, side_px: int = 128) -> None:
        mask.window(side_px)  # refuses sides that do not fit
        self.side_px = side_px

    def appearance(self, pictures_RSS3: Pictures, landmarks_RPXY: Floats) -> Appearance:
        """Return the reference frames as they are; see translator.Translator."""
        require(self.side_px, pictures_RSS3, landmarks_RPXY)
        return Appearance(pictures_RSS3, landmarks_RPXY.astype(np.float32), np.zeros(0, np.float32))

    def translate(
        self, appearance: Appearance, pictures_TSS3: Pictures, source_TPXY: Floats, wanted_TPXY: Floats
    ) -> NDArray[np.float32]:
        """Blend the warped reference into the lower halves of crops; see translator.Translator."""
        require(self.side_px, pictures_TSS3, source_TPXY, wanted_TPXY)
        return blended(pictures_TSS3, candidates(appearance, wanted_TPXY, 1)[:, 0], source_TPXY)
