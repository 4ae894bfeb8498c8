"""Reference frames warped to the wanted landmarks: an untrained translator, and an input of trained ones.

Reference frames near in pose and mouth are selected, along a path that seldom changes; each is warped by a thin-plate
spline from its landmarks to the wanted ones.

Shape suffix legend: T = frames, R = reference frames, K = candidates, S = side of a crop in pixels, W = side of the
window (mask.WINDOW) in pixels, P = 216 points, N = points a spline goes through, XY = 2 coordinates.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
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

_FRAME: Final = np.array([(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0) if (x, y) != (0.5, 0.5)], np.float32)
"""Points on the crop's edge that stay where they are, as shares of its side: the background is not dragged along."""

_CHANGE: Final = 0.01
"""Price of another reference frame than that of the frame before, in units of the face frame."""

_COMPARED: Final = np.concatenate([np.arange(LANDMARK_POINTS)[part] for part in (OUTLINE, LIPS, SLICES["nose_lower"])])
"""Points by which reference frames are compared: mouth shape and head pose."""


def nearest(reference_RPXY: Floats, wanted_TPXY: Floats, count: int) -> NDArray[np.intp]:
    """Select the `count` reference frames nearest in pose and mouth to each wanted face, nearest first: (T, count).

    With fewer references than that, the farthest is repeated.

    Raises: ValueError - landmarks of another shape, or eyes on one place.
    """
    return _first(np.argsort(distances(reference_RPXY, wanted_TPXY), axis=1, kind="stable"), count)


def distances(reference_RPXY: Floats, wanted_TPXY: Floats) -> NDArray[np.float64]:
    """Return the squared distance of each reference frame from each wanted face in pose and mouth, (T, R).

    Raises: as `nearest`.
    """
    have = FaceFrame.of(reference_RPXY).enter(reference_RPXY)[:, _COMPARED].reshape(len(reference_RPXY), -1)
    want = FaceFrame.of(wanted_TPXY).enter(wanted_TPXY)[:, _COMPARED].reshape(len(wanted_TPXY), -1)
    return np.asarray((want**2).sum(1)[:, None] - 2 * want @ have.T + (have**2).sum(1))


def _first(order_TR: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    order = order_TR[:, :count]
    return np.pad(order, ((0, 0), (0, count - order.shape[1])), mode="edge")


def steady_path(apart_TR: Floats) -> NDArray[np.intp]:
    """Select a reference frame for each of consecutive faces by `distances`, (T,): near ones, seldom changed.

    A change from one reference frame to another shows as a flicker, so it has a price, and the cheapest path is taken
    (Viterbi 1967): the sum of the mean distances of the points, in the face frame's unit, and of all changes.
    """
    cost_TR = np.sqrt(np.maximum(apart_TR, 0) / len(_COMPARED))
    stays_TR = np.zeros(cost_TR.shape, bool)
    cheapest_T = np.zeros(len(cost_TR), np.intp)
    total_R = np.zeros(cost_TR.shape[1])
    for frame, cost_R in enumerate(cost_TR):
        cheapest_T[frame] = np.argmin(total_R)
        change = total_R[cheapest_T[frame]] + _CHANGE
        stays_TR[frame] = total_R <= change
        total_R = np.minimum(total_R, change) + cost_R
    path_T = np.zeros(len(cost_TR), np.intp)
    at = int(np.argmin(total_R))
    for frame in range(len(cost_TR) - 1, -1, -1):
        path_T[frame] = at
        at = at if stays_TR[frame, at] else int(cheapest_T[frame])
    return path_T


def selected(
    reference_RPXY: Floats, wanted_TPXY: Floats, count: int, path_T: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Select `count` reference frames for each of consecutive faces: that of the path, then the nearest, (T, count).

    path_T: of `steady_path` over more frames than these.

    Raises: as `nearest`.
    """
    apart_TR = distances(reference_RPXY, wanted_TPXY)
    path_T = steady_path(apart_TR) if path_T is None else path_T
    apart_TR[np.arange(len(path_T)), path_T] = -np.inf
    return _first(np.argsort(apart_TR, axis=1, kind="stable"), count)


def warped(crops_BKSS3: Tensor, landmarks_BKPXY: Tensor, wanted_BPXY: Tensor) -> Tensor:
    """Warp the window of reference crops so that their landmarks lie on the wanted ones: (B, K, 3, W, W) in 0..1.

    Crops are uint8, landmarks (B, K, 216, 2) and (B, 216, 2) in crop pixels, 32 bits. Beyond the crop its edge is
    repeated. The splines of all crops of a frame have the same nodes, the wanted landmarks: they are solved together.
    """
    frames, count, side = crops_BKSS3.shape[:3]
    device, (left, top, share) = crops_BKSS3.device, mask.WINDOW
    splined, frame = (torch.from_numpy(values).to(device) for values in (_SPLINED, _FRAME))
    fixed = torch.cat([wanted_BPXY[:, splined] / side, frame.expand(frames, -1, -1)], dim=1)
    off = (landmarks_BKPXY[:, :, splined] - wanted_BPXY[:, None, splined]) / side
    still = off.new_zeros(frames, count, len(frame), 2)
    shift = torch.cat([off, still], dim=2).transpose(1, 2).flatten(2)
    half = share / 2 / (_GRID - 1)
    across = torch.linspace(left - half, left + share + half, _GRID, device=device)  # any places: interpolated between
    along = torch.linspace(top - half, top + share + half, _GRID, device=device)
    grid = torch.stack(torch.meshgrid(across, along, indexing="xy"), dim=-1)
    moved = _spline(fixed, shift, grid.flatten(0, 1)).reshape(frames, _GRID, _GRID, count, 2)
    places = (grid + moved.permute(0, 3, 1, 2, 4)).flatten(0, 1)
    sampled = _sampled(crops_BKSS3.flatten(0, 1), places, round(share * side))
    return sampled.reshape(frames, count, *sampled.shape[1:])


def _spline(nodes_BNXY: Tensor, values_BNM: Tensor, places_GXY: Tensor) -> Tensor:
    """Interpolate values at nodes by thin-plate splines with a linear part (Duchon 1977): (B, G, M) at the places."""
    low, high = nodes_BNXY.amin(dim=1, keepdim=True), nodes_BNXY.amax(dim=1, keepdim=True)
    frames, count = values_BNM.shape[:2]
    linear = _linear(nodes_BNXY, low, high)
    corner = values_BNM.new_zeros(frames, 3, 3)
    kernel = _kernel(nodes_BNXY, nodes_BNXY) + _SMOOTHING * torch.eye(count, device=nodes_BNXY.device)
    system = torch.cat([torch.cat([kernel, linear], dim=2), torch.cat([linear.transpose(1, 2), corner], dim=2)], dim=1)
    known = functional.pad(values_BNM, (0, 0, 0, 3))
    weights = torch.linalg.solve(system, known)
    places = places_GXY.expand(frames, -1, -1)
    result: Tensor = torch.cat([_kernel(places, nodes_BNXY), _linear(places, low, high)], dim=2) @ weights
    return result


def _kernel(some_BMXY: Tensor, nodes_BNXY: Tensor) -> Tensor:
    """Return r^2 log r of all distances r, (B, M, N)."""
    across, along = (some_BMXY[:, :, None, axis] - nodes_BNXY[:, None, :, axis] for axis in (0, 1))
    squares = across.square_().addcmul_(along, along)
    return squares.clamp_min(1e-30).log_().mul_(squares).mul_(0.5)


def _linear(places_BMXY: Tensor, low_B1XY: Tensor, high_B1XY: Tensor) -> Tensor:
    scaled = (2 * places_BMXY - low_B1XY - high_B1XY) / (high_B1XY - low_B1XY)
    return functional.pad(scaled, (1, 0), value=1.0)


def _sampled(pictures_BSS3: Tensor, places_BGGXY: Tensor, width: int) -> Tensor:
    """Sample pictures at places of a coarse grid, whose ends lie half a cell beyond the window: (B, 3, W, W)."""
    cell = 1 / (_GRID - 1)
    # the window's pixel middles on the grid, in grid_sample's -1..1 from first to last grid point
    at = ((torch.arange(width, device=pictures_BSS3.device) + 0.5) / width + cell / 2) / (1 + cell) * 2 - 1
    lattice = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).expand(len(places_BGGXY), -1, -1, -1)
    coarse = places_BGGXY.permute(0, 3, 1, 2)
    places = functional.grid_sample(coarse, lattice, align_corners=True).permute(0, 2, 3, 1)
    pictures = pictures_BSS3.permute(0, 3, 1, 2).float() / 255
    # bicubic: bilinear sampling took a quarter of the Laplacian energy of real faces away
    moved = functional.grid_sample(pictures, places * 2 - 1, "bicubic", padding_mode="border", align_corners=False)
    return moved.clamp(0, 1)


def candidates(
    appearance: Appearance, wanted_TPXY: Floats, selected_TK: NDArray[np.intp], device: torch.device
) -> Tensor:
    """Warp the window of selected reference frames: (T, K, 3, W, W) in 0..1, on a device."""
    return warped(
        torch.from_numpy(appearance.pictures_RSS3[selected_TK]).to(device),
        torch.from_numpy(appearance.landmarks_RPXY[selected_TK]).to(device),
        torch.from_numpy(np.asarray(wanted_TPXY, np.float32)).to(device),
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
    """A translator.Translator without training: one reference frame, warped."""

    context = 0

    def __init__(self, side_px: int = 128) -> None:
        mask.window(side_px)  # refuses sides that do not fit
        self.side_px = side_px

    def appearance(self, pictures_RSS3: Pictures, landmarks_RPXY: Floats) -> Appearance:
        """Return the reference frames as they are; see translator.Translator."""
        require(self.side_px, pictures_RSS3, landmarks_RPXY)
        return Appearance(pictures_RSS3, landmarks_RPXY.astype(np.float32), np.zeros(0, np.float32))

    def translate(
        self,
        appearance: Appearance,
        pictures_TSS3: Pictures,
        source_TPXY: Floats,
        wanted_TPXY: Floats,
        path_T: NDArray[np.intp] | None = None,
    ) -> NDArray[np.float32]:
        """Blend the warped reference into the lower halves of crops; see translator.Translator."""
        require(self.side_px, pictures_TSS3, source_TPXY, wanted_TPXY)
        selected_TK = selected(appearance.landmarks_RPXY, wanted_TPXY, 1, path_T)
        moved = candidates(appearance, wanted_TPXY, selected_TK, torch.device("cpu"))[:, 0]
        return blended(pictures_TSS3, moved.permute(0, 2, 3, 1).numpy(), source_TPXY)
