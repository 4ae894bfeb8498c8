"""Drift between two sets of measurements, in the unit of routing: the share of clips that a limit refuses.

The distance is the two-sample Kolmogorov-Smirnov statistic (Smirnov, Ann. Math. Stat. 19, 1948), extended to values
that were not measured. For a one-sided limit, wherever it is drawn and whether or not it holds absence against a clip,
the refused share differs by at most the distance, and some limit reaches it. It has no bins to choose and no unit, so
one number serves all signals; a population stability index needs bins and grows as samples shrink, a Wasserstein
distance over the quartiles' range has no meaning where most values are equal (clipping, crushed blacks).

NaN stands for "not measured" throughout.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def drift_distance(before_N: Values, now_M: Values) -> float:
    """Return the largest change, between two sets, of the share that any one-sided limit refuses; 0 to 1.

    Raises: ValueError - a set is empty.
    """
    if not before_N.size or not now_M.size:
        raise ValueError(f"a distance needs two non-empty sets of values, got {before_N.size} and {now_M.size}")
    edges = np.unique(np.concatenate([before_N[~np.isnan(before_N)], now_M[~np.isnan(now_M)]]))
    missing = float(np.isnan(now_M).mean() - np.isnan(before_N).mean())
    accepted = _share_up_to(now_M, edges) - _share_up_to(before_N, edges)  # absence lies above every limit
    refused = accepted + missing  # absence lies below every limit
    return max(abs(missing), float(np.abs(accepted).max(initial=0.0)), float(np.abs(refused).max(initial=0.0)))


def _share_up_to(values: Values, edges: Values) -> Values:
    """Return the share of all values, missing ones included, that were measured and do not exceed each edge."""
    measured = np.sort(values[~np.isnan(values)])
    return np.asarray(np.searchsorted(measured, edges, "right") / values.size, np.float64)


def effective_count(groups_N: NDArray[Any]) -> float:
    """Return the effective sample size of N values when those of one group are all alike: (sum n)^2 / sum n^2.

    Kish's design effect (Survey Sampling, 1965) at its worst. Clips of one file share camera, light and microphone, so
    a hundred clips of one file say no more about a corpus than one does.
    """
    _, sizes = np.unique(groups_N, return_counts=True)
    return float(sizes.sum() ** 2 / (sizes.astype(np.float64) ** 2).sum()) if sizes.size else 0.0


def chance_distance(before: float, now: float, level: float) -> float:
    """Return the distance that two samples of one source stay below with probability `level`; at most 1.

    before, now: effective sample sizes (effective_count). Smirnov's limit for large samples, which is conservative for
    small ones and for many equal values.
    """
    if before <= 0 or now <= 0:
        return 1.0
    return min(1.0, math.sqrt(-math.log((1 - level) / 2) / 2 * (1 / before + 1 / now)))
