"""Drawing on the photograph: masks of outlines, noise, strands of hair, and their laying over the picture.

Outlines are in pixels of the photograph; they are drawn at DETAIL times its size.
"""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .photo import Photo

Colour = tuple[int, int, int]
Outline = tuple[tuple[float, float], ...]
Plane = NDArray[np.float32]

DETAIL: Final = 1.5
"""Pixels of the drawing for one of the photograph's, in each direction."""

LEFT: Final = 54
"""First column of the photograph that is drawn on; all rows are from the first one on."""

_WIDTH, _HEIGHT = 346, 290


class Drawing:
    """`picture` (H, W, 3) in 0..255, and `alpha` (H, W), the mask of the person in it.

    `x`, `y` (H, W) are pixels of the photograph, `skin` and `body` its masks, `plain` (H, W, 3) is the colour of the
    skin without any detail.
    """

    def __init__(self, source: Photo, keeps_hair: bool, hair_colour: Colour, rng: np.random.Generator) -> None:
        self.hair_colour, self.rng = hair_colour, rng
        self.picture = _enlarged(source.picture.astype(np.float32))
        self.skin, self.body, figure = (_enlarged(mask) for mask in (source.skin, source.body, source.figure))
        size = self.skin.shape
        across, down = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
        self.x, self.y = across / DETAIL + LEFT, down / DETAIL
        self.alpha = np.maximum(self.body, figure * (self.y < 130)) if keeps_hair else self.body.copy()
        self.plain = self._extended()

    def _extended(self) -> Plane:
        """Continue the colour of the skin beyond the face."""
        small = (self.x.shape[1] // 8, self.x.shape[0] // 8)
        inner = cv2.erode(self.skin, np.ones((11, 11)))[..., None]
        sums = cv2.resize(np.concatenate([self.picture * inner, inner], 2), small, interpolation=cv2.INTER_AREA)
        sums = cv2.GaussianBlur(sums, (0, 0), 14 * DETAIL / 8)
        plain = sums[..., :3] / (sums[..., 3:] + 1e-6)
        return np.asarray(cv2.resize(plain, self.x.shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)

    def paint(self, mask: Plane, colour: Any) -> None:
        """Lay a colour or picture over the drawing where `mask` says."""
        self.picture += (np.asarray(colour, np.float32) - self.picture) * mask[..., None]
        self.alpha = np.maximum(self.alpha, mask)

    def noise(self, across: float, down: float) -> Plane:
        """Make noise (H, W) of standard deviation 1, smooth over so many pixels of the photograph; at most 2."""
        rough = self.rng.standard_normal(self.x.shape, np.float32)
        smooth = cv2.GaussianBlur(rough, (0, 0), across / 2 * DETAIL, sigmaY=down / 2 * DETAIL)
        return np.asarray(np.clip(smooth / smooth.std(), -2, 2), np.float32)

    def strands(self) -> Plane:
        """Draw hair that falls from the crown."""
        angle, radius = np.arctan2(self.x - 226, self.y + 30), np.hypot(self.x - 226, self.y + 30)
        sheet = cv2.GaussianBlur(self.rng.standard_normal((128, 1024), np.float32), (0, 0), 1.1, sigmaY=2.0)
        sheet = np.clip(sheet / sheet.std(), -1.8, 1.8)
        across, along = (
            (angle * 420 + 512).astype(np.float32),
            (radius * 0.14 + 8 * np.sin(angle * 5)).astype(np.float32),
        )
        strands = cv2.remap(sheet, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        gloss = 0.22 * np.exp(-(((self.y - 48 - 0.004 * (self.x - 226) ** 2) / 14) ** 2))
        return self.hair_of(0.92 + 0.2 * strands + gloss)

    def hair_of(self, shade: Any) -> Plane:
        """Return the colour of the hair times a shade (H, W)."""
        colour = np.array(self.hair_colour, np.float32) * np.asarray(shade, np.float32)[..., None]
        return np.asarray(np.clip(colour, 4, 250), np.float32)


def _enlarged(picture: Plane) -> Plane:
    part = picture[:_HEIGHT, LEFT : LEFT + _WIDTH]
    return np.asarray(cv2.resize(part, _blank().shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def line_mask(lines: Sequence[Outline], width: float, closed: bool = False) -> Plane:
    """Return the mask (H, W) of lines, `width` pixels of the photograph wide."""
    mask = _blank()
    for line in lines:
        cv2.polylines(mask, [_scaled(line)], closed, 255, max(1, round(width * DETAIL)), cv2.LINE_AA)
    return np.asarray(mask / 255, np.float32)


def _scaled(points: Any) -> NDArray[np.int32]:
    return np.round((np.array(points, float) - [LEFT, 0] + 0.5) * DETAIL - 0.5).astype(np.int32)


def filled(outline: Outline, soft: float) -> Plane:
    """Return the mask (H, W) of an outline with rounded corners, its edge blurred by `soft` pixels of the drawing."""
    points = np.array(outline, float)
    for _ in range(2):  # cut the corners
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], 1).reshape(-1, 2)
    mask = _blank()
    cv2.fillPoly(mask, [_scaled(points)], 255, cv2.LINE_AA)
    return _softened(mask, soft)


def _blank() -> NDArray[np.uint8]:
    return np.zeros((round(_HEIGHT * DETAIL), round(_WIDTH * DETAIL)), np.uint8)


def ellipse(centre: tuple[float, float], axes: tuple[float, float], soft: float) -> Plane:
    """Return the mask (H, W) of an ellipse, its edge blurred."""
    mask = _blank()
    middle, (wide, high) = _scaled(centre).tolist(), (round(axis * DETAIL) for axis in axes)
    cv2.ellipse(mask, middle, (wide, high), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return _softened(mask, soft)


def _softened(mask: NDArray[np.uint8], soft: float) -> Plane:
    plane = np.asarray(mask / 255, np.float32)
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), soft) if soft else plane, np.float32)
