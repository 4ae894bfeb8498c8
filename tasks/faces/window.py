"""Square of a picture that is cut out around a face: the same for stores and for dubbing."""

import cv2
import numpy as np

from heterodub.model.features.arrays import Rgb

Window = tuple[int, int, int]
"""Left, top, side in source pixels; may reach over the picture's edge."""

_WINDOW_SHIFT, _WINDOW_GROWTH = 0.08, 1.12
"""A crop window stays where it is until the face moves by this share of it or grows by this factor.

A window that follows every frame would make still backgrounds swim, and a temporal discriminator learn that.
"""


def next_window(last: Window | None, box: tuple[float, float, float, float], margin: float) -> Window:
    """Place the window for a face's box (left, top, right, bottom), given its place `last` one frame before.

    margin: its side over the longer side of the box.
    """
    left, top, right, bottom = box
    side = margin * max(right - left, bottom - top)
    centre = ((left + right) / 2, (top + bottom) / 2)
    if last is not None:
        offset = max(abs(centre[0] - last[0] - last[2] / 2), abs(centre[1] - last[1] - last[2] / 2))
        if offset < _WINDOW_SHIFT * last[2] and 1 / _WINDOW_GROWTH < side / last[2] < _WINDOW_GROWTH:
            return last
    whole = max(16, round(side))
    return round(centre[0] - whole / 2), round(centre[1] - whole / 2), whole


def cut_window(rgb: Rgb, window: Window, side_px: int) -> Rgb:
    """Cut the square (left, top, side; source pixels) out at side_px x side_px; edges are repeated outside."""
    return scale_square(square_of(rgb, window), side_px)


def square_of(rgb: Rgb, window: Window) -> Rgb:
    """Return the square (left, top, side; source pixels) of a picture, a view where it can be; edges are repeated
    outside. Of a square beside the picture, one black pixel.
    """
    left, top, side = window
    height, width = rgb.shape[:2]
    inside = rgb[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    if inside.shape[:2] != (side, side):
        if inside.size == 0:
            return np.zeros((1, 1, 3), np.uint8)
        right, bottom = max(0, left + side - width), max(0, top + side - height)
        inside = cv2.copyMakeBorder(inside, max(0, -top), bottom, max(0, -left), right, cv2.BORDER_REPLICATE)
    return np.asarray(inside)


def scale_square(square: Rgb, side_px: int) -> Rgb:
    """Scale a square to side_px x side_px."""
    method = cv2.INTER_AREA if len(square) >= side_px else cv2.INTER_CUBIC
    crop: Rgb = cv2.resize(square, (side_px, side_px), interpolation=method)
    return crop
