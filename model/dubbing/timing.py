"""Output timeline of a dubbed video, and interpolation of 25 fps landmarks to its frames.

The output keeps the source's own times: ticks of the source's clock, at constant or variable rate. Stage 1 runs at
25 fps, so its landmarks are interpolated to those times in the face frame, while head motion comes from each output
frame itself.

Shape suffix legend: S = source pictures, N = output frames, G = frames at 25 fps, P = points, XY = 2 coordinates.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.schemas.config.choices import Length


@dataclass(frozen=True, slots=True)
class OutputTimeline:
    """The frames of the output, in order.

    base: seconds of a tick. source_N: number of the source picture that a frame shows. ticks_N: its time, from 0.
    lasts_N: its duration, ticks. follows_N: True if a frame continues the one before it; False for the first frame of
    each repetition.
    """

    base: Fraction
    source_N: NDArray[np.int64]
    ticks_N: NDArray[np.int64]
    lasts_N: NDArray[np.int64]
    follows_N: NDArray[np.bool_]

    @property
    def frames(self) -> int:
        """Number of frames of the output."""
        return len(self.source_N)

    @property
    def end_s(self) -> Fraction:
        """Length of the output, seconds."""
        return int(self.ticks_N[-1] + self.lasts_N[-1]) * self.base

    def seconds(self, frames: slice) -> NDArray[np.float64]:
        """Return the times of some frames, seconds."""
        return np.asarray(self.ticks_N[frames] * float(self.base), np.float64)


def plan_timeline(
    ticks_S: NDArray[np.int64], last_lasts: int, base: Fraction, speech_s: Fraction, length: Length
) -> OutputTimeline:
    """Plan the output's frames for a picture and a speech; for `length` see schemas/config/dubbing.py.

    ticks_S: times of the source's pictures, rising from 0. last_lasts: ticks that the last one lasts, at least 1.

    Raises: ValueError - no picture, times that do not rise from 0, or no length of the last picture.
    """
    if not len(ticks_S) or ticks_S[0] != 0 or (np.diff(ticks_S) <= 0).any() or last_lasts < 1:
        raise ValueError("pictures need times that rise from 0, and a length of the last one")
    sources, ticks = np.arange(len(ticks_S)), ticks_S.astype(np.int64)
    follows = np.ones(len(ticks_S), bool)
    follows[0] = False
    end = int(ticks_S[-1]) + last_lasts
    if length != "picture":
        speech_ticks = max(1, round(speech_s / base))
        if speech_ticks > end and length == "loop":
            rounds = math.ceil(speech_ticks / end)
            sources, follows = np.tile(sources, rounds), np.tile(follows, rounds)
            ticks = (ticks[None] + end * np.arange(rounds)[:, None]).reshape(-1)
        elif speech_ticks > end:
            step = int(np.median(np.diff(ticks_S))) if len(ticks_S) > 1 else last_lasts
            more = np.arange(int(ticks_S[-1]) + step, speech_ticks, step)
            sources = np.concatenate([sources, np.full(len(more), sources[-1])])
            ticks, follows = np.concatenate([ticks, more]), np.concatenate([follows, np.ones(len(more), bool)])
        within = ticks < speech_ticks
        sources, ticks, follows, end = sources[within], ticks[within], follows[within], speech_ticks
    return OutputTimeline(base, sources.astype(np.int64), ticks, np.diff(ticks, append=end), follows)


def at_times(values: Floats, times_s: NDArray[np.float64], wanted_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate values (T, ...) at rising times (T,) linearly; beyond the ends the end values hold."""
    after = np.clip(np.searchsorted(times_s, wanted_s), 1, max(len(times_s) - 1, 1)) if len(times_s) > 1 else None
    if after is None:
        return np.repeat(np.asarray(values[:1], np.float64), len(wanted_s), axis=0)
    span = times_s[after] - times_s[after - 1]
    share = np.clip((wanted_s - times_s[after - 1]) / span, 0.0, 1.0).reshape(-1, *[1] * (np.ndim(values) - 1))
    return np.asarray(values[after - 1] * (1 - share) + values[after] * share, np.float64)
