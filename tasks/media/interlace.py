"""Detection of combed (interlaced) pictures by their content, whatever their flags say.

A combed picture holds two moments, one in its even lines and one in its odd ones. Three things distinguish it from one
of a single moment, all measured where something moves:

- neighbouring lines disagree to and fro (comb), as no picture of one moment does but one of fine stripes;
- lines of this picture woven with those of its neighbour in time fit better one way round than the other: the fields
  follow each other in time. In a picture of one moment, striped or not, both ways fit equally badly;
- and they fit each other about as well as the picture's own, which are as far apart in time.

Shape suffix legend: R = rows, C = sampled columns.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

COMB_STEP: Final = 10
"""Of 255. Neighbouring lines that differ by less, to and fro, are noise or compression."""

COMBED_SHARE: Final = 0.02
"""Share of the moving samples that have to be combed; less is invisible on a moving head."""

LEAST_MOVING: Final = 48
"""Moving samples, of some 64 columns, without which nothing is decided: a still picture of two moments shows one."""

ASYMMETRY: Final = 1.25
"""Factor by which the fields have to fit better one way round. 1 where one moment was coded as two fields; with steady
movement of two fields a picture, one way spans one field, the other three."""

ONE_FIELD: Final = 1.5
"""Factor by which the better way may be rougher than the picture itself. Both span one field of time in a combed
picture (ratios of 0.5 to 1.45 in nine of ten); lines of one moment fit each other far better than any others."""

MEMORY: Final = 25
"""Pictures for which a film that was found combed is expected to remain so."""

ALWAYS: Final = 3
"""Combed pictures in a row that distinguish two fields a picture from telecine, which combs two of five."""

ONE_ORDER: Final = 0.75
"""Share of the observations so far that have to agree on one order of the fields."""

_BLOCKS, _BLOCK = 8, 8
"""Samples are taken in so many groups of so many neighbouring columns."""

Luma = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Comb:
    """Combing of the second of two successive pictures. share: of moving samples that are combed, None where too little
    moves. in_fields: True if the fields follow each other in time; even_first: True if the even lines of the second go
    with the odd ones of the first.
    """

    share: float | None
    in_fields: bool
    even_first: bool = True

    @property
    def frayed(self) -> bool:
        """True if there is a comb, by itself no more than stripes."""
        return self.share is not None and self.share >= COMBED_SHARE


def sample(plane: NDArray[Any], bits: int = 8) -> Luma:
    """All rows of some columns of a picture's luma (or green), as (R, C) of 0..255. Cheap at any size."""
    width = plane.shape[1]
    if width <= _BLOCKS * _BLOCK:
        columns = plane
    else:
        columns = np.concatenate([plane[:, start : start + _BLOCK] for start in _block_starts(width)], axis=1)
    return np.ascontiguousarray(columns >> (bits - 8) if bits > 8 else columns, np.uint8)


@cache
def _block_starts(width: int) -> list[int]:
    return [int(start) for start in np.linspace(width // 16, width - _BLOCK - width // 16, _BLOCKS)]


def compare(before: Luma, now: Luma) -> Comb:
    """Measure the combing of a picture (R, C) against its neighbour in time."""
    return _compare(before, now, _near_movement(before, now))


def _near_movement(neighbour: Luma, now: Luma) -> NDArray[np.bool_] | None:
    """Samples (R - 2, C) where two pictures differ, and their neighbours; None where too few do."""
    if neighbour.shape != now.shape or now.shape[0] < 8:
        return None
    moving = cv2.absdiff(now, neighbour) > COMB_STEP
    near: NDArray[np.bool_] = moving[1:-1] | moving[:-2] | moving[2:]
    return near if np.count_nonzero(near) >= LEAST_MOVING else None


def _compare(before: Luma, now: Luma, near: NDArray[np.bool_] | None, combs: NDArray[np.bool_] | None = None) -> Comb:
    """Compare as `compare` does. near: see _near_movement; combs: where `now` is combed, if that is known."""
    if near is None:
        return Comb(None, False)
    share = np.count_nonzero((_combs(now) if combs is None else combs) & near) / np.count_nonzero(near)
    if share < COMBED_SHARE:
        return Comb(share, False)
    even, odd = now.copy(), before.copy()  # each named after the lines that it takes from `now`
    even[1::2] = before[1::2]
    odd[1::2] = now[1::2]
    rough_even, rough_odd = _roughness(even, near), _roughness(odd, near)
    best, worst = max(min(rough_even, rough_odd), 1.0), max(rough_even, rough_odd)
    return Comb(share, worst >= ASYMMETRY * best and best <= ONE_FIELD * _roughness(now, near), rough_even <= rough_odd)


def _combs(rows: Luma) -> NDArray[np.bool_]:
    """Samples (R - 2, C) that stand out from both lines around them to the same side, which agree with each other."""
    above, line, below = rows[:-2], rows[1:-1], rows[2:]
    higher = np.minimum(cv2.subtract(line, above), cv2.subtract(line, below))  # 0 where it is lower than either
    lower = np.minimum(cv2.subtract(above, line), cv2.subtract(below, line))
    least = np.maximum(higher, lower)
    combs: NDArray[np.bool_] = least > np.maximum(cv2.absdiff(above, below), np.uint8(COMB_STEP))
    return combs


def _roughness(rows: Luma, where: NDArray[np.bool_]) -> float:
    """Mean difference of lines from the middle of those around them."""
    lines = rows.astype(np.int16)
    off = np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:])
    return float((off * where).sum(dtype=np.int64) / np.count_nonzero(where))


class CombFinder:
    """Detects combed pictures in a row: with both neighbours, the fields have to follow each other one way.

    Where one of the two does not move enough to say anything, the other will do if the picture is flagged or a combed
    one was seen in the last second: otherwise it is most often a blurred or coarsely coded picture. For that second,
    still less will do: a comb where the film is flagged, and the fields of one neighbour where ALWAYS pictures in a row
    were combed, as those of a telecined film never are.
    """

    def __init__(self) -> None:
        self._before: Luma | None = None
        self._after: Luma | None = None
        self._near: NDArray[np.bool_] | None = None
        """Places in which the two pictures above differ: used for the next pair, in reverse order."""
        self._left = 0
        self._row = 0
        self._sure = False
        self._even_first = 0
        self._odd_first = 0
        """Times that a field of even lines was seen to come first, or one of odd lines."""

    def restart(self) -> None:
        """Forget what the film has shown so far, but for its last pictures: a new section begins."""
        self._left = self._row = self._even_first = self._odd_first = 0
        self._sure = False

    @property
    def top_first(self) -> bool:
        """True if the even lines are the earlier moment, as far as was observed; so it is in most films."""
        return self._even_first >= self._odd_first

    def step(self, now: Luma, after: Luma | None = None, flagged: bool = False) -> bool:
        """Return True if the next picture is combed. after: the one behind it, which is a neighbour in time, too.

        flagged: True if the file says that it is interlaced.
        """
        turned = [self._before is None, True]  # against the picture behind it, the fields come the other way
        pairs = self._compared(now, after)
        measured = [(comb, comb.even_first != back) for comb, back in zip(pairs, turned, strict=False)]
        measured = [pair for pair in measured if pair[0].share is not None]
        self._left -= 1
        frayed = [(comb, first) for comb, first in measured if comb.frayed]
        in_fields = [first for comb, first in frayed if comb.in_fields]
        self._even_first += sum(in_fields)
        self._odd_first += len(in_fields) - sum(in_fields)
        least = 1 if flagged or self._left > 0 else 2
        if least <= len(in_fields) == len(measured) and len(set(in_fields)) == 1 and self._agrees(in_fields[0]):
            self._row += 1
            self._left = MEMORY
            self._sure = self._sure or self._row >= ALWAYS
            return True
        self._row = 0
        self._sure = self._sure and self._left > 0
        return self._left > 0 and (bool(frayed) if flagged else self._sure and bool(in_fields))

    def _compared(self, now: Luma, after: Luma | None) -> list[Comb]:
        """Compare the next picture with the one before it and the one behind it."""
        before, has_near, near = self._before, now is self._after, self._near
        if before is not None and not has_near:
            near = _near_movement(before, now)
        self._before, self._after = now, after
        self._near = None if after is None else _near_movement(after, now)
        neighbours = [(other, where) for other, where in ((before, near), (after, self._near)) if other is not None]
        combs = _combs(now) if any(where is not None for _, where in neighbours) else None
        return [_compare(other, now, where, combs) for other, where in neighbours]

    def _agrees(self, even_first: bool) -> bool:
        """Return True if a film has its fields in this order; stripes that move show both in turn."""
        agreeing = self._even_first if even_first else self._odd_first
        return agreeing >= ONE_ORDER * (self._even_first + self._odd_first)
