"""Confidence intervals for figures that are of all clips together, such as a Frechet distance.

A bootstrap would draw speakers twice, and with fewer different pictures a Frechet distance grows: its resamples lie
above the figure itself. A jackknife leaves out one speaker at a time. Source: Bradley Efron and Robert Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 11.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from model.metrics.bootstrap import Interval


def jackknife_interval(whole: float, without: Sequence[float], clips: int, level: float = 0.95) -> Interval:
    """Return a figure over groups of clips with its interval by a t distribution of (groups - 1) degrees of freedom.

    without: the figure without each group. With fewer than two groups there is no interval.

    Raises: ValueError - a figure is not finite.
    """
    figures = np.asarray(without, np.float64)
    groups = len(figures)
    if not np.isfinite([whole, *figures]).all():
        raise ValueError("a figure is not finite; one that could not be measured has no interval")
    if groups < 2:
        return Interval(whole, None, None, clips, groups, 0)
    error = np.sqrt((groups - 1) / groups * np.square(figures - figures.mean()).sum())
    reach = float(stdtrit(groups - 1, (1 + level) / 2) * error)
    return Interval(whole, whole - reach, whole + reach, clips, groups, 0)
