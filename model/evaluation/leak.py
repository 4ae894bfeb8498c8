"""Measures of a dubbed mouth over time beside the wanted mouth and the source's: the old speech that is left, and lag.

Shape suffix legend: F = frames in a row.
"""

from typing import Final

import numpy as np

from heterodub.model.evaluation.landmarks import LEAST_MOTION
from heterodub.model.features.arrays import Floats

LEAST_FRAMES: Final = 50
"""Two seconds at 25 fps: eight syllables. Over fewer, any two openings correlate by chance (0.4 at one second)."""

REACH_FRAMES: Final = 12
"""Lags that are tried either way: 0.48 s at 25 fps."""


def leak(opening_F: Floats, source_F: Floats, wanted_F: Floats) -> float | None:
    """Return the correlation of a dubbed opening (F,) with what the source's does beyond the wanted one, -1 to 1.

    It is the semi-partial correlation, the share of the visible movement that is the source's: a dub in the video's own
    words, whose wanted mouth is the source's, has none. None: under two seconds, or a mouth that does not move.
    """
    if len(opening_F) < LEAST_FRAMES or np.std(opening_F) < LEAST_MOTION:
        return None
    known = np.stack([np.ones(len(wanted_F)), np.asarray(wanted_F, np.float64)], axis=1)
    fit, *_ = np.linalg.lstsq(known, np.asarray(source_F, np.float64), rcond=None)
    rest = source_F - known @ fit
    if rest.std() < LEAST_MOTION:
        return None
    return float(np.clip(np.corrcoef(opening_F, rest)[0, 1], -1, 1))


def best_lag(values_F: Floats, wanted_F: Floats, least_fit: float) -> float | None:
    """Return the frames by which values (F,) come later than the wanted ones, to a part of a frame.

    None: under two seconds, a mouth that does not move, or a best correlation below `least_fit`.
    """
    frames = len(values_F)
    if frames < LEAST_FRAMES + REACH_FRAMES or min(np.std(values_F), np.std(wanted_F)) < LEAST_MOTION:
        return None
    lags = np.arange(-REACH_FRAMES, REACH_FRAMES + 1)
    fits = np.array([
        np.corrcoef(values_F[max(0, lag) : frames + min(0, lag)], wanted_F[max(0, -lag) : frames - max(0, lag)])[0, 1]
        for lag in lags.tolist()
    ])  # fmt: skip
    best = int(np.argmax(fits))
    return float(lags[best]) + peak_offset(fits, best) if fits[best] >= least_fit else None


def peak_offset(values: Floats, best: int) -> float:
    """Return how far the top of a parabola through a peak and its neighbours lies from it, -0.5 to 0.5."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, at, after = (float(value) for value in values[best - 1 : best + 2])
    curve = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5)) if curve < 0 else 0.0
