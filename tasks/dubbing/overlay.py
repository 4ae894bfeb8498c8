"""Generated faces laid into their source pictures: the same for a dub and for films that compare models.

Shape suffix legend: F = frames, S = side of a crop in pixels, Q = side of its coarse raster.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats, Pictures, Rgb
from heterodub.tasks.faces.window import cut_window

Crops = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """Generated crops of consecutive frames (F, S, S, 3; uint8), the masks that lay them in (F, Q, Q; 0..1), and the
    places of the crops (F, 3): left, top, side in source pixels.
    """

    crops_FSS3: Pictures
    shares_FQQ: Floats
    boxes_F3: Floats

    def onto(self, frame: int, rgb: Rgb) -> Rgb:
        """Return a copy of a source picture (height, width, 3) with the crop of a frame laid in."""
        left, top, side = (int(number) for number in np.rint(self.boxes_F3[frame]))
        window = cut_window(rgb, (left, top, side), side)
        crop = self.crops_FSS3[frame].astype(np.float32) / 255
        rows, columns, after = composited_part(window, crop, np.asarray(self.shares_FQQ[frame], np.float32))
        window[rows, columns] = np.rint(np.clip(after, 0, 255)).astype(np.uint8)
        height, width = rgb.shape[:2]
        above, before = max(0, -top), max(0, -left)
        inside = window[above : max(above, height - top), before : max(before, width - left)]
        picture = rgb.copy()
        picture[top + above : top + above + len(inside), left + before : left + before + inside.shape[1]] = inside
        return picture


def composited_part(window: Rgb, crop: Crops, share: Crops) -> tuple[slice, slice, Crops]:
    """Return the rows and columns of a window in full size (side, side, 3) that change if a generated crop (S, S, 3;
    0..1) is laid in by `share` (Q, Q; 0..1), and their colours then: (rows, columns, 3), 0..255.
    """
    side = len(window)
    rows, columns = (_extent(np.flatnonzero(share.any(axis=axis)), side / len(share), side) for axis in (1, 0))
    generated = _enlarged(crop, side, rows, columns, cv2.BORDER_REPLICATE)
    shown_in = _enlarged(share, side, rows, columns, cv2.BORDER_CONSTANT)
    before = window[rows, columns]
    return rows, columns, before + (generated * 255 - before) * shown_in[..., None]


def _extent(at: NDArray[np.intp], scale: float, side: int) -> slice:
    """Rows or columns of the window, in source pixels, that contain rising places of a raster, each `scale` wide."""
    return slice(max(0, int((at[0] - 1) * scale)), min(side, int((at[-1] + 2) * scale) + 1)) if len(at) else slice(0, 1)


def _enlarged(values: Crops, side: int, rows: slice, columns: slice, edge: int) -> Crops:
    """Scale a part of a crop or raster (n, n, ...) to its size at `side` x `side`: rows and columns of that."""
    scale = len(values) / side
    offsets = [(part.start + 0.5) * scale - 0.5 for part in (columns, rows)]
    to_crop = np.array([[scale, 0, offsets[0]], [0, scale, offsets[1]]])
    size = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    enlarged: Crops = cv2.warpAffine(values, to_crop, size, flags=flags, borderMode=edge)
    return enlarged
