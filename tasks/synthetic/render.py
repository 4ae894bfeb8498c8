"""Animation of a still portrait: the mouth follows a curve, the jaw moves along, eyes blink, the head sways.

Around the mouth the portrait is sampled at displaced points: the upper face and the lower one part at the lips, and
between them is the mouth's inside, with the photograph's own upper teeth, which stay fixed to the skull. Then the whole
head sways.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .mouth import Curve, MouthCurve
from .photo import Points
from .portrait import Portrait

Plane = NDArray[np.float32]
Frame = NDArray[np.uint8]

WIDEST_OPENING: Final = 14.0
"""Distance between the lips at opening 1, in photograph pixels; the eyes' outer corners are 63 apart."""

_REST_WIDTH: Final = 0.86  # the photographed smile is wider than a mouth at rest
_WIDTH_SPAN: Final = (0.24, 0.12)  # how far rounding narrows it and drawing out widens it
_REST_SAG: Final = 2.6
_REST_CORNER_DROP: Final = 3.2
_UPPER_LIP_SHARE: Final = 0.2
_JAW_SHARE: Final = 0.8
_INSIDE: Final = np.array([38, 12, 14], np.float32)
_TONGUE: Final = np.array([128, 54, 56], np.float32)
_NOISE_LEVEL: Final = 1.6


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion of a head per frame: mouth, `blink` (T,) 0 to 1, `sway` (T, 3) as x, y in pixels and turn in radians."""

    mouth: MouthCurve
    blink: Curve
    sway: Points

    def __len__(self) -> int:
        return len(self.blink)


def motion(mouth: MouthCurve, rng: np.random.Generator, fps: float) -> Motion:
    """Make the motion of a head with a given mouth, blinking every few seconds and swaying by parts of a degree."""
    frames = len(mouth.opening)
    times = np.arange(frames) / fps
    blink = np.zeros(frames)
    at = rng.uniform(0.6, 2.0)
    while at < times[-1]:
        blink = np.maximum(blink, np.clip(1.5 - np.abs(times - at) / 0.08, 0, 1))
        at += rng.uniform(1.8, 3.5)
    sway = np.zeros((frames, 3))
    for axis, reach in enumerate((2.2, 1.6, np.deg2rad(0.9))):
        for slowest in (0.15, 0.4, 0.9):
            phase = rng.uniform(0, 2 * np.pi)
            sway[:, axis] += (
                reach * 0.12 / slowest * np.sin(2 * np.pi * slowest * rng.uniform(0.8, 1.3) * times + phase)
            )
    return Motion(mouth, blink, sway)


def still(frames: int) -> Motion:
    """Make the motion of a head at rest."""
    zeros = np.zeros(frames)
    return Motion(MouthCurve(zeros, zeros), zeros, np.zeros((frames, 3)))


def render(face: Portrait, moves: Motion, rng: np.random.Generator | None = None) -> Iterator[Frame]:
    """Render frames (H, W, 3) RGB of `face` with motion `moves`; with `rng`, each has new sensor noise."""
    height, width = face.picture.shape[:2]
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    head = _bump(np.hypot(xs - face.head[0], (ys - face.head[1]) * 0.8), 85 * face.unit, 160 * face.unit)
    noise = None if rng is None else _grain(height + 64, width + 64, rng)
    for index in range(len(moves)):
        posed = face.picture.copy()
        _talk(face, posed, float(moves.mouth.opening[index]), float(moves.mouth.width[index]))
        _blink(face, posed, float(moves.blink[index]))
        x, y = _swayed(xs, ys, head, face, moves.sway[index])
        frame = cv2.remap(posed, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        if noise is not None and rng is not None:
            down, right = rng.integers(0, 64, 2)
            grain = np.ascontiguousarray(noise[down : down + height, right : right + width])
            frame = cv2.add(frame, grain, dtype=cv2.CV_8U)
        yield np.asarray(frame, np.uint8)


def _grain(height: int, width: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """Make a sheet of sensor noise, of which every frame takes another piece."""
    return np.repeat(np.round(rng.normal(0, _NOISE_LEVEL, (height, width, 1))), 3, axis=2).astype(np.int16)


def _swayed(xs: Plane, ys: Plane, weight: Plane, face: Portrait, sway: Any) -> tuple[Plane, Plane]:
    """Return the source point of each pixel when the head moves, but not the wall behind it."""
    dx, dy, turn = (np.float32(value) for value in sway)
    pivot_x, pivot_y = np.float32(face.chin[0]), np.float32(face.chin[1])
    return (
        xs - weight * (dx - turn * (ys - pivot_y)),
        ys - weight * (dy + turn * (xs - pivot_x)),
    )


def _blink(face: Portrait, posed: Frame, closed: float) -> None:
    """Draw the skin above each upper lid down over the eye."""
    if closed <= 0:
        return
    for upper, lower in face.eyes:
        x, y, part = _window(
            posed, upper[0, 0], upper[-1, 0], upper[:, 1].min() - 10 * face.unit, lower[:, 1].max() + 2
        )
        lid = np.interp(x, upper[:, 0], upper[:, 1]).astype(np.float32)
        drop = 0.92 * closed * (np.interp(x, lower[:, 0], lower[:, 1]).astype(np.float32) - lid)
        above = lid + drop - y
        source = np.where(above > 0, y - drop * _bump(above, 1.5 * face.unit, 9 * face.unit), y)
        part[:] = np.clip(_sampled(face.picture, x, source) + 0.5, 0, 255)


def _talk(face: Portrait, posed: Frame, opening: float, width: float) -> None:
    """Draw the lower face with lips parted by `opening` and spread by `width`."""
    centre, reach = face.lip_upper[:, 0].mean(), 62 * face.unit
    top, bottom = face.nose_base[1] - 4 * face.unit, face.chin[1] + 24 * face.unit
    x, y, part = _window(posed, centre - reach, centre + reach, top, bottom)
    lips = _Lips(face, x, y, opening, width)
    drawn = _sampled(face.picture, *lips.source()) * lips.contact()[..., None]
    gap = lips.gap_mask()[..., None]
    rows = np.flatnonzero(gap.any(axis=(1, 2)))
    if len(rows):
        inner = np.s_[rows[0] : rows[-1] + 1]
        inside = _Lips(face, x, y[inner], opening, width).inside(face.picture)
        drawn[inner] += (inside - drawn[inner]) * gap[inner]
    part[:] = np.clip(drawn + 0.5, 0, 255)


def _window(picture: Frame, left: float, right: float, top: float, bottom: float) -> tuple[Plane, Plane, Frame]:
    """Return a part of a picture, a view, with the x of its columns (1, W) and the y of its rows (H, 1)."""
    height, width = picture.shape[:2]
    rows = slice(max(0, int(top)), min(height, int(bottom)))
    columns = slice(max(0, int(left)), min(width, int(right)))
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None]
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    return x, y, picture[rows, columns]


class _Lips:
    """The displaced lower face of one frame. `x` (1, W), `y` (H, 1): the window's columns and rows of the portrait."""

    def __init__(self, face: Portrait, x: Plane, y: Plane, opening: float, width: float) -> None:
        self.face, self.x, self.y, self.unit = face, x, y, face.unit
        left, right = face.lip_upper[0], face.lip_upper[-1]
        self.centre, self.half = float(left[0] + right[0]) / 2, float(right[0] - left[0]) / 2
        self.opening = opening
        self.narrow = _REST_WIDTH + _WIDTH_SPAN[int(width > 0)] * width - 0.05 * opening
        self.gap = WIDEST_OPENING * opening * face.unit
        self.away = np.abs(x - self.centre)
        self.fade = _bump(self.away, self.narrow * self.half, 2.4 * self.half)
        self.source_x = self._source_x()
        self.seam_upper, self.seam_lower = self._seams()
        self.source_upper, self.source_lower = self._source_seams()

    def _source_x(self) -> Plane:
        pulled = self.half * (1 - self.narrow) * self.fade
        inside = self.away < self.narrow * self.half
        distance = np.where(inside, self.away / self.narrow, self.away + pulled)
        return np.asarray(self.centre + np.sign(self.x - self.centre) * distance, np.float32)

    def _seams(self) -> tuple[Plane, Plane]:
        """Return the heights of the lips' inner edges at each pixel's column; they meet beyond the corners."""
        t = (self.x - self.centre) / (self.narrow * self.half)
        bow = self.bow = np.clip(1 - t * t, 0, 1)
        ends = self.face.lip_upper[[0, -1]]
        corners = np.interp(self.x, ends[:, 0], ends[:, 1]).astype(np.float32)
        rest = corners + (_REST_CORNER_DROP * self.fade + _REST_SAG * bow) * self.unit
        parted = self.gap * bow**0.7
        return (
            np.asarray(rest - _UPPER_LIP_SHARE * parted, np.float32),
            np.asarray(rest + (1 - _UPPER_LIP_SHARE) * parted, np.float32),
        )

    def _source_seams(self) -> tuple[Plane, Plane]:
        upper, lower = self.face.lip_upper, self.face.lip_lower
        trim = 0.9 * self.unit * np.sqrt(self.bow)  # the photographed edges are mixed with teeth
        return (
            (np.interp(self.source_x, upper[:, 0], upper[:, 1]) - trim).astype(np.float32),
            (np.interp(self.source_x, lower[:, 0], lower[:, 1]) + trim).astype(np.float32),
        )

    def source(self) -> tuple[Plane, Plane]:
        """Return the source points of the skin: of the upper face above the middle of the gap, of the lower below."""
        is_upper = self.y < (self.seam_upper + self.seam_lower) / 2
        (upper_x, upper_y), (lower_x, lower_y) = self._upper_source(), self._lower_source()
        return np.where(is_upper, upper_x, lower_x), np.where(is_upper, upper_y, lower_y)

    def _upper_source(self) -> tuple[Plane, Plane]:
        height = self.seam_upper - self.y
        near = _bump(height, 3 * self.unit, 12 * self.unit)
        shift = self.seam_upper - self.source_upper
        return self.x + (self.source_x - self.x) * near, self.y - shift * near

    def _lower_source(self) -> tuple[Plane, Plane]:
        """The lip, and the jaw that carries it."""
        depth = self.y - self.seam_lower
        near = _bump(depth, 6 * self.unit, 20 * self.unit)
        shift = self.seam_lower - self.source_lower
        return self.x + (self.source_x - self.x) * near, self.y - shift * near - self._jaw() * (1 - near)

    def _jaw(self) -> Plane:
        drop = np.float32(_JAW_SHARE * self.gap)
        unit, chin = self.unit, float(self.face.chin[1])
        level = float(self.face.lip_lower[0, 1])
        down = 1 - _bump(self.y - level, 0, chin - level)
        sides = _bump(np.abs(self.x - float(self.face.chin[0])), 26 * unit, 54 * unit)
        return drop * down * sides * _bump(self.y - chin - drop, 1 * unit, 18 * unit)

    def gap_mask(self) -> Plane:
        """Return a mask (H, W) of the gap between the lips, 0 to 1 and one pixel soft."""
        below_upper = np.clip(self.y - self.seam_upper + 0.5, 0, 1)
        above_lower = np.clip(self.seam_lower - self.y + 0.5, 0, 1)
        apart = np.clip(self.seam_lower - self.seam_upper, 0, 1)
        return np.asarray(apart * below_upper * above_lower, np.float32)

    def contact(self) -> Plane:
        """Return the shade along the line where closed lips meet; 1 elsewhere."""
        from_line = (self.y - self.seam_lower) / (0.8 * self.unit)
        return np.asarray(1 - 0.45 * np.exp(-from_line * from_line) * np.sqrt(self.bow), np.float32)

    def inside(self, picture: Frame) -> Plane:
        """Draw the mouth's inside: dark, the tongue below, the upper teeth above."""
        depth = np.clip((self.y - self.seam_upper) / np.maximum(self.seam_lower - self.seam_upper, 1), 0, 1)[..., None]
        tongue = np.clip(depth * 1.6 - 0.7, 0, 1) * min(1.0, 1.5 * self.opening)
        colour = _INSIDE + (_TONGUE - _INSIDE) * tongue * 0.7
        upper, lower = self.face.lip_upper, self.face.lip_lower
        top = np.interp(self.x, upper[:, 0], upper[:, 1]).astype(np.float32) + 0.8 * self.unit
        bottom = np.interp(self.x, lower[:, 0], lower[:, 1]).astype(np.float32) - 0.7 * self.unit
        teeth = _sampled(picture, self.x, np.maximum(self.y, top))
        light = 0.5 + 0.5 * np.clip((self.y - self.seam_upper) / (2.5 * self.unit), 0, 1)[..., None]
        alpha = np.clip(bottom - self.y + 0.5, 0, 1)[..., None]
        return np.asarray(colour * (1 - alpha) + teeth * 0.9 * light * alpha, np.float32)


def _sampled(picture: Frame, x: Any, y: Any) -> Plane:
    across, down = (np.ascontiguousarray(axis, np.float32) for axis in np.broadcast_arrays(x, y))
    return np.asarray(cv2.remap(picture, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _bump(distance: Any, full: float, none: float) -> Plane:
    """Return 1 up to `full`, 0 from `none`, smooth between."""
    t = np.clip((distance - full) / (none - full), 0, 1)
    return np.asarray(1 - t * t * (3 - 2 * t), np.float32)
