"""Choice of the source picture for every frame at 25 fps. Pure arithmetic, in exact fractions."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low
from typing import Final

from heterodub.schemas.contract import FPS

from .video_frames import TimedPicture

HOLE_S: Final = Fraction(3, 10)
"""A picture that would stand for longer is followed by a hole, not by a picture: seven frames, a syllable."""

HOLE_INTERVALS: Final = 3
"""Factor over the usual duration from which a gap is a hole, where pictures come seldom (a GIF of five a second)."""

_USUAL_INTERVALS: Final = 15
"""Latest intervals whose median is how long pictures usually stand."""

ROUNDING_S: Final = Fraction(1, 200)
"""Matroska rounds times to milliseconds: a frame that would begin this close to the end is not begun."""


@dataclass(slots=True)
class Chosen:
    """A source picture, and the frames `first`..`last` (inclusive, at 25 fps from the first picture) that show it."""

    picture: TimedPicture
    source_index: int
    since_first_s: Fraction
    first: int = 0
    last: int = -1
    follows_hole: bool = False
    """Nothing was shown just before: frames may be missing between it and the run before."""


class Retimer:
    """Chooses the nearest picture in time for each frame, the earlier of two equally near.

    Pictures whose time does not advance are passed over. A picture that would stand for longer than HOLE_S, and than
    HOLE_INTERVALS times as long as its neighbours, stands as long as they do; then there are no frames until the next.
    Ends, with `stopped` set, before a frame beyond `limit_s`. After iteration `seen` is the number of source pictures
    and `reached_s` is known.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._intervals: deque[Fraction] = deque(maxlen=_USUAL_INTERVALS)
        self._alike = 0  # how many of the latest intervals equal the last one
        self.stopped: str | None = None
        self.seen = 0
        self.reached_s = Fraction(0)
        """End of the last picture as stated by the file, in seconds after the first."""

    def choose(self, pictures: Iterable[TimedPicture]) -> Iterator[Chosen]:
        """Runs of frames, in order; pictures that no frame shows do not appear."""
        next_frame = 0
        for chosen, following, later in _windows(self._advancing(pictures)):
            stop, resume = self._stop(chosen, following, later)
            if stop > next_frame:
                chosen.first, chosen.last = next_frame, stop - 1
                yield chosen
                next_frame = stop
            elif following is not None and chosen.follows_hole:
                following.follows_hole = True  # a picture that no frame shows cannot pass the flag on itself
            if resume is not None and following is not None:
                next_frame = max(next_frame, resume)
                following.follows_hole = True

    def _advancing(self, pictures: Iterable[TimedPicture]) -> "Iterator[Chosen]":
        start_s, latest_s = Fraction(0), Fraction(-1)
        for index, picture in enumerate(pictures):
            self.seen = index + 1
            if index == 0:
                start_s = picture.time_s
            since_s = picture.time_s - start_s
            if since_s <= latest_s:
                continue
            if since_s > self._limit_s:
                self.stopped = f"a picture is {float(since_s):.0f} s after the first; limit {self._limit_s:.0f} s"
                return
            latest_s = since_s
            yield Chosen(picture, index, since_s)

    def _stop(self, chosen: "Chosen", following: "Chosen | None", later: "Chosen | None") -> tuple[int, int | None]:
        """Frame before which the picture ends, and the frame that resumes when a hole comes after it."""
        if following is None:
            return self._end_of_last(chosen), None
        interval_s = following.since_first_s - chosen.since_first_s
        usual_s = self._usual_s(interval_s if later is None else later.since_first_s - following.since_first_s)
        self._alike = self._alike + 1 if self._intervals and self._intervals[-1] == interval_s else 1
        self._intervals.append(interval_s)
        if interval_s <= _longest_s(usual_s):
            # FPS times the moment half-way between both pictures; a frame exactly there still shows the earlier.
            return math.floor((chosen.since_first_s + following.since_first_s) * FPS / 2) + 1, None
        return _frame_after(chosen.since_first_s + usual_s), math.ceil(following.since_first_s * FPS - Fraction(1, 2))

    def _end_of_last(self, chosen: "Chosen") -> int:
        interval_s = self._intervals[-1] if self._intervals else Fraction(1, FPS)
        lasts_s = chosen.picture.duration_s or interval_s
        usual_s = self._usual_s(interval_s)
        self.reached_s = chosen.since_first_s + lasts_s
        return max(_frame_after(chosen.since_first_s + (lasts_s if lasts_s <= _longest_s(usual_s) else usual_s)), 1)

    def _usual_s(self, nearby_s: Fraction) -> Fraction:
        if not self._intervals or (self._alike >= len(self._intervals) and self._intervals[-1] == nearby_s):
            return nearby_s  # as in most films: fractions are slow to sort
        return median_low([*self._intervals, nearby_s])


def _longest_s(usual_s: Fraction) -> Fraction:
    return max(HOLE_S, HOLE_INTERVALS * usual_s)


def _frame_after(end_s: Fraction) -> int:
    return math.ceil((end_s - ROUNDING_S) * FPS)


def _windows(chosen: "Iterator[Chosen]") -> "Iterator[tuple[Chosen, Chosen | None, Chosen | None]]":
    """Yield each picture with the two that come after it."""
    window: deque[Chosen] = deque()
    for picture in chosen:
        window.append(picture)
        if len(window) == 3:
            yield window[0], window[1], window[2]
            window.popleft()
    while window:
        yield window[0], window[1] if len(window) > 1 else None, None
        window.popleft()
