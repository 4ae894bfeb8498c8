"""Rendered talkers, and what may come before their mouths: a hand, a microphone, a mask; or grows there: a beard."""

import cv2
import numpy as np

from heterodub.tasks.synthetic.mouth import MouthCurve
from heterodub.tasks.synthetic.people import BY_NAME
from heterodub.tasks.synthetic.portrait import Portrait, portrait
from heterodub.tasks.synthetic.render import motion, render

AWAY_PX = 130
"""So far below its place a cover is out of sight of the mouth."""


def talker(name: str, frames: int, seed: int = 3) -> list[np.ndarray]:
    """Pictures (320, 320, 3) and more of a head that speaks without pause, blinks and sways."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames) / 25
    mouth = MouthCurve(np.abs(np.sin(9 * times)) * np.abs(np.sin(1.3 * times)), 0.4 * np.sin(7 * times))
    return list(render(portrait(BY_NAME[name]), motion(mouth, rng, 25), rng))


def passing(pictures: list[np.ndarray], name: str, kind: str, first: int, stop: int) -> list[np.ndarray]:
    """A cover that lies over the mouth in the frames first..stop - 1; it comes and goes within six frames."""
    at = np.arange(len(pictures))
    away = AWAY_PX * np.clip(np.maximum(first - at, at - stop + 1) / 6, 0, 1)
    return [cover(picture, portrait(BY_NAME[name]), kind, down) for picture, down in zip(pictures, away, strict=True)]


def cover(picture: np.ndarray, face: Portrait, kind: str, down_px: float = 0.0) -> np.ndarray:
    """The picture with one thing laid over it, shaded, with soft edges."""
    if down_px >= AWAY_PX:
        return picture
    layer, alpha = np.zeros_like(picture), np.zeros(picture.shape[:2], np.uint8)
    mouth = (face.lip_upper.mean(axis=0) + face.lip_lower.mean(axis=0)) / 2
    _SHAPES[kind](layer, alpha, face, mouth + np.array([0, down_px]))
    share = cv2.GaussianBlur(alpha.astype(np.float32) / 255, (0, 0), 1.0)[..., None]
    if kind == "beard":
        share = share * 0.8  # lips and chin show through
    return (picture + (layer.astype(np.float32) - picture) * share).astype(np.uint8)


def _hand(layer, alpha, face: Portrait, at) -> None:
    """Four fingers side by side across the mouth, of the skin's colour, darker between them."""
    x, y = (
        int(value) for value in (face.lip_upper[:, 0].mean(), (face.nose_base[1] + face.eyes[0][0][:, 1].mean()) / 2)
    )
    skin = np.median(face.picture[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3), axis=0)
    wide = 11 * face.unit
    for finger in range(4):
        row = at[1] + (finger - 1.5) * wide
        ends = [(int(at[0] + side * 34 * face.unit), int(row + side * 6)) for side in (-1, 1)]
        for share, thick in ((0.62, 1.0), (0.85, 0.75), (0.97, 0.45)):
            cv2.line(layer, *ends, tuple((skin * share).tolist()), int(wide * thick))
        cv2.line(alpha, *ends, 255, int(wide))


def _microphone(layer, alpha, face: Portrait, at) -> None:
    """A dark ball with a bright spot, on a handle."""
    x, y = (int(value) for value in at)
    radius = int(25 * face.unit)
    for shape in (layer, alpha):
        cv2.rectangle(
            shape, (x - radius // 3, y), (x + radius // 3, y + 200), 255 if shape is alpha else (45, 45, 48), -1
        )
        cv2.circle(shape, (x, y), radius, 255 if shape is alpha else (28, 28, 32), -1)
    cv2.circle(layer, (x - radius // 3, y - radius // 3), radius // 4, (120, 120, 125), -1)


def _mask(layer, alpha, face: Portrait, at) -> None:
    """Pale blue from the nose over the chin, with folds."""
    _below_the_nose(alpha, face, at, 0.0)
    rows = np.arange(len(layer))[:, None, None]
    layer[:] = np.array([150, 190, 215]) * (1 + 0.08 * np.sin(rows / 4))


def _beard(layer, alpha, face: Portrait, at) -> None:
    """Dark and rough around lips that stay free."""
    _below_the_nose(alpha, face, at, 6.0 * face.unit)
    lips = np.concatenate([face.lip_upper, face.lip_lower[::-1]])
    cv2.fillPoly(alpha, [cv2.convexHull((lips + np.array([0, 2])).astype(np.int32))], 0)
    rough = np.random.default_rng(0).normal(38, 9, layer.shape[:2])
    layer[:] = rough[..., None].clip(0, 255) * np.array([1.0, 0.9, 0.8])


def _below_the_nose(alpha, face: Portrait, at, lower_px: float) -> None:
    x, top = at[0], face.nose_base[1] + (at[1] - (face.lip_upper.mean(axis=0) + face.lip_lower.mean(axis=0))[1] / 2)
    reach, bottom = 48 * face.unit, face.chin[1] + (top - face.nose_base[1]) + 4
    corners = [(-1, 0.0), (-0.9, 0.45), (-0.4, 1.0), (0.4, 1.0), (0.9, 0.45), (1, 0.0), (0, -0.12)]
    top += lower_px
    outline = np.array([(x + across * reach, top + down * (bottom - top)) for across, down in corners])
    cv2.fillPoly(alpha, [outline.astype(np.int32)], 255)


_SHAPES = {"hand": _hand, "microphone": _microphone, "mask": _mask, "beard": _beard}
