"""Gradual changes of shot: dissolves, fades through black or white, wipes. Detected in small pictures as they are
decoded.

PySceneDetect compares a picture with the one before, so a change that takes ten pictures or more is movement to it (and
its ThresholdDetector knows fades to black alone). Here a picture in the middle is explained by two that stand before
and after it: in a dissolve each pixel is the same mixture of both, in a wipe each pixel is one of both, while of
things that move neither holds.

Shape suffix legend: H, W = rows and columns of a tiny picture, C = 3 colours.
"""

from collections import deque
from dataclasses import dataclass
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
    return local_structure(over_colours(rgb_HWC), 3)


def local_structure(luma_HW: Tiny, noise: float) -> Tiny:
    """Luma over its surroundings, in their spread and the noise, levels; (H, W)."""
    around = cv2.GaussianBlur(luma_HW, (0, 0), 3)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur(luma_HW * luma_HW, (0, 0), 3) - around**2, 0))
    structure_HW: Tiny = (luma_HW - around) / (spread + noise)
    return structure_HW


def alike(first_HW: Tiny, last_HW: Tiny, weight_HW: Tiny | None = None) -> float:
    """Correlation of two structures, -1..1; each pixel counts by its weight."""
    weight = np.ones_like(first_HW) if weight_HW is None else weight_HW
    weight = weight / weight.sum()
    first, last = first_HW - (weight * first_HW).sum(), last_HW - (weight * last_HW).sum()
    spread = float((weight * first * first).sum() * (weight * last * last).sum())
    return float((weight * first * last).sum() / (spread**0.5 + 1e-9))


LOOK_AHEAD_S: Final = 1.4
"""A window of pictures lasts this long at most; whether a frame lies in a transition is known this much later."""

_HALVES: Final = (4, 6, 8, 12, 16)
"""Pictures from the middle of a window to either end: they find a transition of 6 to 32 pictures whole, longer ones in
parts."""

_BLACK_MEAN: Final = 24.0
_BLACK_SPREAD: Final = 4.0
"""Levels. A picture this dark and this even shows nothing; the shots on either side of it are two."""

_LEAST_STEP_S: Final = 0.032
"""Pictures that follow sooner are left out: at 60 a second, windows would be too short."""

_LEAST_CHANGE: Final = 5.0
"""Levels (root mean square) by which both ends of a window differ: less is noise and small movement."""

_CHANGED_LEVELS: Final = 8.0
_LEAST_MIXED_AREA: Final = 0.2
_LEAST_SPLIT_AREA: Final = 0.45
"""Share of the picture that changes by these levels. Titles that fade in over one who talks stay below the first; a
hand that passes is a wipe in and one out, of less than the second. Between two talkers in one chair before one wall
it is 0.46 and more."""

_MOST_MIXED: Final = 0.035
_MOST_SPLIT: Final = 0.05
"""Share of the change that mixing (dissolve, fade) or splitting (wipe) may leave unexplained.

Measured on 91 talking heads of one shot: never below 0.045 and 0.066; on dissolves between two of them 0.004 (median)
to 0.04 (95 %), on wipes with a hard edge 0.007 to 0.03.
"""

_MOST_ALIKE: Final = 0.45
"""Correlation of both ends' structure where they differ. Above, the lights changed or something small moved."""

_FROM: Final = 0.03
_TO: Final = 1 - _FROM
"""Share of the later shot between which a picture counts as mixed."""

_MARGIN: Final = 2
"""Pictures left out on either side of what is mixed: a dissolve that begins slowly shows too little to be measured."""

_JOIN_FRAMES: Final = 3
"""Transitions that are this near are one."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Frames from `first` to before `stop` that show two shots, or neither."""

    first: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    index: int
    time_s: float
    rgb_HWC: Tiny


class TransitionFinder:
    """Examines the pictures of one film in order. `found` holds what lies before frame `decided`, by time."""

    def __init__(self) -> None:
        self.found: list[Transition] = []
        self._seen: deque[_Seen] = deque()
        self._ended = False

    @property
    def decided(self) -> float:
        """Frame before which all frames have been decided as inside or outside a transition."""
        return float("inf") if self._ended else self._seen[0].index if self._seen else 0

    def add(self, index: int, time_s: float, small: NDArray[np.uint8]) -> None:
        """Examine the next picture. small: (h, w, 3) of any size; one of another size starts anew."""
        if self._seen and time_s - self._seen[-1].time_s < _LEAST_STEP_S:
            return
        rgb = tiny(small)
        if self._seen and self._seen[-1].rgb_HWC.shape != rgb.shape:
            self._seen.clear()
        self._seen.append(_Seen(index, time_s, rgb))
        if rgb.mean() < _BLACK_MEAN and rgb.std() < _BLACK_SPREAD:
            self._take(Transition(index, index + 1))
        for half in _HALVES:
            if len(self._seen) > 2 * half:
                self._find_transition([self._seen[at] for at in range(-2 * half - 1, 0)])
        while len(self._seen) > 2 * _HALVES[-1] or time_s - self._seen[0].time_s > LOOK_AHEAD_S:
            self._seen.popleft()

    def end(self) -> None:
        """Mark the film as ended."""
        self._ended = True

    def shots_before(self, frame: int) -> int:
        """Number of transitions that are over at a frame."""
        return sum(transition.stop <= frame for transition in self.found)

    def shot_start(self, frame: int) -> int:
        """Frame at which the last transition before a frame is over, and so a shot begins; 0 without one."""
        return max((transition.stop for transition in self.found if transition.stop <= frame), default=0)

    def _find_transition(self, window: list[_Seen]) -> None:
        shares = _shares_of_a_transition(window)
        if shares is None:
            return
        mixed = np.flatnonzero((shares > _FROM) & (shares < _TO))
        last_at = len(window) - 1
        first, stop = max(0, mixed[0] - _MARGIN), min(mixed[-1] + 1 + _MARGIN, last_at)
        self._take(Transition(window[first].index, window[stop].index))

    def _take(self, now: Transition) -> None:
        while self.found and now.first <= self.found[-1].stop + _JOIN_FRAMES:
            last = self.found.pop()
            now = Transition(min(last.first, now.first), max(last.stop, now.stop))
        self.found.append(now)


def _shares_of_a_transition(window: list[_Seen]) -> NDArray[np.float64] | None:
    """Share of the later shot in each picture of a window, (pictures,); None where it is no transition."""
    first, last = window[0], window[-1]
    change = last.rgb_HWC - first.rgb_HWC
    power = _mean_product(change, change)
    if power < _LEAST_CHANGE**2:
        return None
    half = len(window) // 2
    middle = [window[at].rgb_HWC - first.rgb_HWC for at in (half // 2, half, half + half // 2)]
    early, at_half, late = (_mean_product(moved, change) / power for moved in middle)
    if abs(at_half - 0.5) > 0.15 or abs(early + late - 1) > 0.2 or min(at_half - early, late - at_half) < 0.08:
        return None  # the later shot does not come in evenly
    changed = (over_colours(np.abs(change)) > _CHANGED_LEVELS).astype(np.float32)
    area = changed.mean()
    if area < _LEAST_MIXED_AREA:
        return None
    is_mixed = _unmixed(middle, change, power) <= _MOST_MIXED
    if not is_mixed and (area < _LEAST_SPLIT_AREA or _unsplit(middle, change, power) > _MOST_SPLIT):
        return None
    if alike(structure(first.rgb_HWC), structure(last.rgb_HWC), changed) > _MOST_ALIKE:
        return None
    return np.array([_mean_product(seen.rgb_HWC - first.rgb_HWC, change) / power for seen in window])


def _mean_product(first: Tiny, second: Tiny) -> float:
    return float(np.vdot(first, second)) / first.size


def _unmixed(middle: list[Tiny], change: Tiny, power: float) -> float:
    """Share of the change that no mixture of both ends explains, in the worst of the pictures between."""
    left = []
    for moved in middle:
        rest = moved - change * np.float32(_mean_product(moved, change) / power)
        left.append(_mean_product(rest, rest) / power)
    return max(left)


def _unsplit(middle: list[Tiny], change: Tiny, power: float) -> float:
    """Share of the change that is left when each pixel is that of the nearer end, in the worst of the pictures
    between.
    """
    return max(
        float(np.minimum(over_colours(moved * moved), over_colours((moved - change) ** 2)).mean()) / power
        for moved in middle
    )
