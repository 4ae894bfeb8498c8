"""Chooses the source picture for every frame at 25 fps. Pure arithmetic, in exact fractions."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from schemas.contract import FPS

from .pictures import Picture

LAST_PICTURE_MAX_S: Final = Fraction(10)
"""A last picture stands as long as its container says, but no longer: nothing comes after it to say when it ended."""

MAX_HOLE_S: Final = Fraction(600)
"""A picture that would stand for longer is not followed by a picture but by damage: a flipped bit in one time stamp
makes ten hours of frames out of a second. No clip comes out of a picture that stands still."""

ROUNDING_S: Final = Fraction(1, 200)
"""Matroska rounds times to milliseconds: a frame that would begin this close to the end is not begun."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Frames `first`..`last` (inclusive, at 25 fps from the first picture) show this picture."""

    first: int
    last: int
    picture: Picture
    source_index: int
    since_first_s: Fraction


class Retimer:
    """Nearest picture in time for each frame, the earlier of two equally near.

    Pictures whose time does not advance are passed over. Ends, with `stopped` set, before a frame beyond `limit_s`
    and before a hole of more than MAX_HOLE_S.
    After iteration `seen` is the number of source pictures.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.stopped: str | None = None
        self.seen = 0

    def choose(self, pictures: Iterable[Picture]) -> Iterator[Chosen]:
        """Runs of frames, in order and without holes; pictures that no frame shows do not appear."""
        shown: _Shown | None = None
        start_s = Fraction(0)
        next_frame = 0
        for index, picture in enumerate(pictures):
            self.seen = index + 1
            if shown is None:
                start_s = picture.time_s
                shown = _Shown(picture, index, Fraction(0))
                continue
            since_s = picture.time_s - start_s
            if since_s <= shown.since_s:
                continue
            if since_s > self._limit_s:
                self.stopped = f"picture {index} is {float(since_s):.0f} s after the first; limit {self._limit_s:.0f} s"
                break
            if since_s - shown.since_s > MAX_HOLE_S:
                self.stopped = f"picture {index} is {float(since_s - shown.since_s):.0f} s after the one before it"
                break
            # FPS times the moment half-way between both pictures; a frame exactly there still shows the earlier.
            last = math.floor((shown.since_s + since_s) * FPS / 2)
            if last >= next_frame:
                yield shown.chosen(next_frame, last)
                next_frame = last + 1
            shown = _Shown(picture, index, since_s, since_s - shown.since_s)
        if shown is not None:
            last = max(math.ceil((shown.end_s() - ROUNDING_S) * FPS) - 1, 0)
            if last >= next_frame:
                yield shown.chosen(next_frame, last)


@dataclass(frozen=True, slots=True)
class _Shown:
    picture: Picture
    index: int
    since_s: Fraction
    interval_s: Fraction = Fraction(1, FPS)
    """Time since the picture before, which stands in for a missing duration."""

    def end_s(self) -> Fraction:
        return self.since_s + min(self.picture.duration_s or self.interval_s, LAST_PICTURE_MAX_S)

    def chosen(self, first: int, last: int) -> Chosen:
        return Chosen(first, last, self.picture, self.index, self.since_s)
