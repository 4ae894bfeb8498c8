"""The photograph from which all faces are made, with shapes and masks measured on it.

skimage.data.astronaut() is NASA's portrait of Eileen Collins, in the public domain. All coordinates are its pixels.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]

LIP_UPPER: Final = (
    (203.3, 139.6), (206, 140.0), (210, 141.3), (214, 142.4), (220, 143.5),
    (225, 143.6), (230, 143.3), (235, 142.6), (240, 141.4), (244, 140.6),
)  # fmt: skip
"""Lower edge of the upper lip, left to right; the ends are the corners of the mouth."""

LIP_LOWER: Final = (
    (203.3, 139.6), (206, 141.5), (209, 144.0), (213, 147.0), (217, 148.6),
    (222, 149.5), (227, 149.3), (232, 148.3), (236, 146.2), (240, 143.3), (244, 140.6),
)  # fmt: skip
"""Upper edge of the lower lip, left to right."""

LEFT_EYE: Final = (
    ((194.2, 100.3), (196.7, 99.0), (199.1, 98.0), (202.9, 97.6), (206.6, 98.2), (210.1, 99.6), (213.6, 102.7)),
    ((194.2, 100.3), (197.7, 102.2), (200.2, 103.0), (203.9, 103.5), (207.5, 103.6), (210.8, 103.2), (213.6, 102.7)),
)
"""Edge of the upper lid and of the lower lid, left to right; left as seen in the picture."""

RIGHT_EYE: Final = (
    ((237.5, 104.2), (241.4, 101.6), (245.1, 100.5), (248.8, 100.5), (252.4, 101.5), (254.7, 102.6), (257.0, 104.2)),
    ((237.5, 104.2), (240.2, 105.1), (243.4, 105.9), (246.9, 106.2), (250.6, 106.0), (253.3, 105.5), (257.0, 104.2)),
)
"""The other eye."""

CHIN: Final = (222.0, 177.5)
NOSE_BASE: Final = (223.5, 133.0)
HEAD_CENTRE: Final = (226.0, 100.0)

_SKIN: Final = (
    (187, 79), (197, 78), (207, 80), (227, 82), (243, 83), (257, 88), (267, 91), (272, 103), (273, 115), (280, 122),
    (279, 131), (270, 136), (264, 148), (256, 163), (255, 183), (233, 191), (212, 187), (195, 184), (186, 175),
    (184, 150), (181, 132), (174, 127), (170, 118), (176, 112), (181, 103), (184, 88),
)  # fmt: skip
_FIGURE: Final = (
    (145, 95), (150, 55), (175, 20), (215, 8), (260, 15), (295, 45), (308, 85), (300, 120), (282, 145), (262, 165),
    (265, 190), (310, 220), (380, 270), (80, 270), (105, 220), (95, 190), (130, 145), (170, 145), (172, 135),
    (150, 118),
)  # fmt: skip
_SURELY_HAIR: Final = (
    (165, 90),
    (168, 60),
    (190, 32),
    (225, 26),
    (260, 35),
    (285, 60),
    (288, 90),
    (240, 70),
    (190, 75),
)
_SURELY_SUIT: Final = ((110, 240), (150, 190), (190, 180), (260, 185), (290, 210), (320, 260), (100, 260))
_BELOW_PORTRAIT: Final = 270


@dataclass(frozen=True)
class Photo:
    """The photograph (512, 512, 3) RGB uint8 and soft masks (512, 512) float32 in 0..1: `figure` is the person, `body`
    the face with the neck, `skin` the same without eyes and mouth.
    """

    picture: NDArray[np.uint8]
    figure: NDArray[np.float32]
    body: NDArray[np.float32]
    skin: NDArray[np.float32]


@cache
def photo() -> Photo:
    """Return the photograph with its masks; computed once in a process."""
    from skimage import data

    picture = np.ascontiguousarray(data.astronaut())  # type: ignore[no-untyped-call]
    figure = cv2.erode(_cut_out(picture), np.ones((3, 3)))
    skin = body = _filled(_SKIN)
    for hole in ((*LIP_UPPER, *reversed(LIP_LOWER)), _ring(LEFT_EYE), _ring(RIGHT_EYE)):
        skin = skin * (1 - _filled(hole))
    return Photo(picture, _soft(figure, 0.8), _soft(body, 1.0), _soft(skin, 1.0))


def _cut_out(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Segment the figure from the wall by grabCut, starting from rough outlines."""
    marks = np.full(picture.shape[:2], cv2.GC_BGD, np.uint8)
    _fill(marks, _FIGURE, cv2.GC_PR_FGD)
    for certain in (_SKIN, _SURELY_HAIR, _SURELY_SUIT):
        _fill(marks, certain, cv2.GC_FGD)
    cv2.setRNGSeed(0)  # grabCut starts from random clusters
    top = np.s_[:_BELOW_PORTRAIT, 70:390]
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    nowhere = (0, 0, 0, 0)  # the marks say where to start
    inside = np.ascontiguousarray(marks[top])
    bgr = np.ascontiguousarray(picture[top][..., ::-1])
    cv2.grabCut(bgr, inside, nowhere, background, foreground, 4, cv2.GC_INIT_WITH_MASK)
    marks[top] = inside
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)


def _ring(eye: tuple[tuple[tuple[float, float], ...], ...]) -> tuple[tuple[float, float], ...]:
    upper, lower = eye
    return (*upper, *reversed(lower))


def _filled(outline: tuple[tuple[float, float], ...]) -> NDArray[np.float32]:
    mask = np.zeros((512, 512), np.uint8)
    _fill(mask, outline, 1)
    return mask.astype(np.float32)


def _fill(mask: NDArray[np.uint8], outline: tuple[tuple[float, float], ...], value: int) -> None:
    cv2.fillPoly(mask, [np.round(np.array(outline)).astype(np.int32)], value)


def _soft(mask: Any, sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(np.asarray(mask, np.float32), (0, 0), sigma), np.float32)
