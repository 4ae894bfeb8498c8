"""Still picture of a person, warped from the photograph and drawn on, with the curves of mouth and eyes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from .drawing import DETAIL, LEFT, Colour
from .looks import dressed
from .people import Person, Proportions
from .photo import CHIN, HEAD_CENTRE, LEFT_EYE, LIP_LOWER, LIP_UPPER, NOSE_BASE, RIGHT_EYE, Points, photo

_HEADROOM: Final = 6.0  # photograph pixels between the picture's upper edge and the hair
_GRID: Final = 8  # the thin-plate spline is evaluated at every eighth pixel and interpolated between
_MARGIN: Final = (
    (60, 0),
    (230, -20),
    (400, 0),
    (60, 130),
    (400, 130),
    (60, 270),
    (230, 270),
    (400, 270),
    (512, 400),
    (0, 400),
)


@dataclass(frozen=True)
class Portrait:
    """A person's still picture (H, W, 3) RGB uint8 and the positions of its parts, in its pixels.

    Curves are (n, 2) x y points from left to right: the edges between which mouth and eyes open. `unit` is the length
    of one pixel of the photograph.
    """

    picture: NDArray[np.uint8]
    lip_upper: Points
    lip_lower: Points
    eyes: tuple[tuple[Points, Points], ...]
    chin: Points
    nose_base: Points
    head: Points
    unit: float


@cache
def portrait(person: Person) -> Portrait:
    """Make the still picture of `person`, at rest and with the photograph's smile; cached in the process."""
    moved = _Moved(person)
    there = moved.photo_points()
    picture = _composed(person, *(there[..., axis].astype(np.float32) for axis in (0, 1)))
    if person.mirrored:
        picture = np.ascontiguousarray(picture[:, ::-1])
    return Portrait(
        picture,
        moved.placed(LIP_UPPER),
        moved.placed(LIP_LOWER),
        tuple((moved.placed(upper), moved.placed(lower)) for upper, lower in (LEFT_EYE, RIGHT_EYE)),
        moved.placed([CHIN])[0],
        moved.placed([NOSE_BASE])[0],
        moved.placed([HEAD_CENTRE])[0],
        person.scale,
    )


class _Moved:
    """The mapping between a person's picture and the photograph: a thin-plate spline, then scale, place and mirror."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.scale = person.scale * np.array([person.breadth**0.5, person.breadth**-0.5])
        self.origin = np.array([HEAD_CENTRE[0] - person.width / 2 / self.scale[0], _HEADROOM])
        before, after = _controls(person.proportions)
        self.back = RBFInterpolator(after, before - after, kernel="thin_plate_spline")

    def photo_points(self) -> Points:
        """Return the photograph's point at each pixel, before mirroring: (H, W, 2)."""
        height, width = self.person.height, self.person.width
        xs, ys = np.arange(-_GRID, width + 2 * _GRID, _GRID), np.arange(-_GRID, height + 2 * _GRID, _GRID)
        coarse = np.stack(np.meshgrid(xs, ys), -1) / self.scale + self.origin
        shift = self.back(coarse.reshape(-1, 2)).reshape(coarse.shape).astype(np.float32)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        fine = cv2.remap(shift, x / _GRID + 1, y / _GRID + 1, cv2.INTER_LINEAR)
        return np.asarray(np.stack([x, y], -1) / self.scale + self.origin + fine)

    def placed(self, points: Sequence[tuple[float, float]]) -> Points:
        """Map points of the photograph to the person's picture, left to right."""
        targets = np.array(points, float)
        here = targets.copy()
        for _ in range(12):  # fixed point: the spline is only known backwards
            here = targets - self.back(here)
        here = (here - self.origin) * self.scale
        if self.person.mirrored:
            here = (np.array([self.person.width - 1, 0]) + here * [-1, 1])[::-1]
        return np.asarray(here)


def _controls(p: Proportions) -> tuple[Points, Points]:
    """Return the spline's control points before and after the proportions are changed; (n, 2) each."""
    moves = [
        ((222, 177), (0, p.chin)),
        ((205, 170), (-0.6 * p.jaw, 0.7 * p.chin)), ((240, 170), (0.6 * p.jaw, 0.7 * p.chin)),
        ((191, 158), (-p.jaw, 0.3 * p.chin)), ((257, 157), (p.jaw, 0.3 * p.chin)),
        ((180, 135), (-0.6 * (p.cheeks + p.jaw), 0)), ((270, 135), (0.6 * (p.cheeks + p.jaw), 0)),
        ((178, 105), (-p.cheeks, 0)), ((273, 105), (p.cheeks, 0)),
        ((208, 126), (-p.nose_width, p.nose_length)), ((239, 127), (p.nose_width, p.nose_length)),
        ((223.5, 122), (0, p.nose_length)), ((223.5, 132), (0, 0.8 * p.nose_length)),
        ((194, 100), (-p.eye_distance - p.eye_size, 0)), ((213.5, 102.5), (-p.eye_distance + p.eye_size, 0)),
        ((237.5, 104), (p.eye_distance - p.eye_size, 0)), ((257, 104), (p.eye_distance + p.eye_size, 0)),
        ((203, 97.6), (-p.eye_distance, -p.eye_size)), ((204, 103.5), (-p.eye_distance, p.eye_size)),
        ((247, 100.4), (p.eye_distance, -p.eye_size)), ((247, 106.2), (p.eye_distance, p.eye_size)),
        ((202, 86), (-p.eye_distance, -p.brows)), ((251, 89), (p.eye_distance, -p.brows)),
        ((203.3, 139.6), (-p.mouth_width, 0.4 * p.nose_length)), ((244, 140.6), (p.mouth_width, 0.4 * p.nose_length)),
        ((223, 139.5), (0, 0.5 * p.nose_length - p.lips)), ((223, 155), (0, 0.4 * p.nose_length + p.lips)),
        ((225, 16), (0, -p.hair)), ((152, 85), (-p.hair, 0)), ((302, 90), (p.hair, 0)),
        ((170, 35), (-0.7 * p.hair, -0.7 * p.hair)), ((285, 40), (0.7 * p.hair, -0.7 * p.hair)),
        ((186, 180), (0, 0)), ((256, 183), (0, 0)), ((226, 192), (0, 0)),
        *((at, (0, 0)) for at in _MARGIN),
    ]  # fmt: skip
    before = np.array([at for at, _ in moves], float)
    return before, before + np.array([by for _, by in moves], float)


def _composed(person: Person, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Sample the photograph with the person's looks at (x, y), in front of the person's own wall."""
    drawing, figure = dressed(photo(), person.look, np.random.default_rng(list(person.name.encode())))
    across, down = ((axis + 0.5) * DETAIL - 0.5 for axis in (x - LEFT, y))
    face = cv2.remap(drawing, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    face += 0.7 * (face - cv2.GaussianBlur(face, (0, 0), 1.2))  # enlarging softened it
    alpha = cv2.remap(figure, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[..., None]
    mixed = face * alpha + _wall(person.backdrop, *x.shape) * (1 - alpha)
    portrait: NDArray[np.uint8] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    return portrait


def _wall(backdrop: tuple[Colour, Colour], height: int, width: int) -> NDArray[np.float32]:
    """Draw a wall out of focus: a gradient with soft blotches, the same for the same colours."""
    top, bottom = (np.array(colour, np.float32) for colour in backdrop)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    blotches = np.random.default_rng(sum(backdrop[0])).normal(0, 9, (height // 24, width // 24, 1)).astype(np.float32)
    soft = cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray(top + (bottom - top) * down + soft, np.float32)
