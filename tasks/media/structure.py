"""Local structure of small pictures, independent of light: luma over its surroundings, and its correlation.

Shape suffix legend: H, W = rows and columns of a tiny picture, C = 3 colours.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

TINY_PX: Final = 48
"""Longer side of the pictures that are compared."""

Tiny = NDArray[np.float32]

_THIRDS: Final = np.full(3, 1 / 3, np.float32)


def over_colours(rgb_HWC: Tiny) -> Tiny:
    """The mean of the three colours, (H, W). A product, since means over so short an axis are slow."""
    mean_HW: Tiny = rgb_HWC @ _THIRDS
    return mean_HW


def tiny(small: NDArray[np.uint8]) -> Tiny:
    """Scale a picture (h, w, 3) down so that its longer side is 48 px."""
    scale = min(1.0, TINY_PX / max(small.shape[:2]))
    size = max(1, round(small.shape[1] * scale)), max(1, round(small.shape[0] * scale))
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.float32)


def structure(rgb_HWC: Tiny) -> Tiny:
    """Luma over its surroundings, in their spread, (H, W): light that changes slowly over a picture leaves it as it
    is.
    """
    luma = over_colours(rgb_HWC)
    around = cv2.GaussianBlur(luma, (0, 0), 3)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur(luma * luma, (0, 0), 3) - around**2, 0))
    structure_HW: Tiny = (luma - around) / (spread + 3)
    return structure_HW


def alike(first_HW: Tiny, last_HW: Tiny, weight_HW: Tiny | None = None) -> float:
    """Correlation of two structures, -1..1; each pixel counts by its weight."""
    weight = np.ones_like(first_HW) if weight_HW is None else weight_HW
    weight = weight / weight.sum()
    one, other = first_HW - (weight * first_HW).sum(), last_HW - (weight * last_HW).sum()
    spread = float((weight * one * one).sum() * (weight * other * other).sum())
    return float((weight * one * other).sum() / (spread**0.5 + 1e-9))
