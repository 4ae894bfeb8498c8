"""Means of raters' grades with intervals, and the agreement of raters.

Raters and clips are both samples, so an interval resamples both, independently. Source: Art Owen, The pigeonhole
bootstrap, Annals of Applied Statistics 1(2), 2007, https://arxiv.org/abs/0712.1111. It is a little wide rather than too
narrow.

Agreement is Krippendorff's alpha for ordinal grades. Source: Klaus Krippendorff, Computing Krippendorff's
Alpha-Reliability, 2011, https://repository.upenn.edu/asc_papers/43. 1 is full agreement, 0 what chance gives; above 0.8
is usually taken as reliable, below 0.667 as too little to conclude from. It is written out here since no package in the
lock file has it: thirty lines are less than another dependency.

Shape suffix legend: R = raters, C = clips, S = resamples, U = units that are rated, V = different grades.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heterodub.model.metrics.intervals import STANDARD, Interval, Resampling

Floats = NDArray[np.float64]


def crossed_interval(grades_RC: Sequence[Sequence[float | None]], how: Resampling = STANDARD) -> Interval:
    """Return the mean of all grades of a system; None is a clip that a rater did not see. Its `groups` are raters.

    No interval with fewer than two raters or two clips.

    Raises: ValueError - the rows differ in length.
    """
    if len({len(row) for row in grades_RC}) > 1:
        raise ValueError("rows of raters differ in length; use None for a clip without a grade")
    values = np.array([[np.nan if value is None else value for value in row] for row in grades_RC], np.float64)
    values = values.reshape(len(grades_RC), len(grades_RC[0]) if grades_RC else 0)
    left_out = int(np.isnan(values).sum())
    values = values[~np.isnan(values).all(axis=1)]
    values = values[:, ~np.isnan(values).all(axis=0)]
    graded = ~np.isnan(values)
    if not graded.any():
        return Interval(None, None, None, 0, 0, left_out)
    sums, (raters, clips) = np.where(graded, values, 0.0), graded.shape
    mean = float(sums.sum() / graded.sum())
    if min(raters, clips) < 2:
        return Interval(mean, None, None, clips, raters, left_out)
    draw = np.random.default_rng(how.seed)
    of_raters, of_clips = (draw.multinomial(count, np.full(count, 1 / count), how.resamples) for count in graded.shape)
    totals = np.einsum("sr,rc,sc->s", of_raters, sums, of_clips)
    weights = np.einsum("sr,rc,sc->s", of_raters, graded.astype(float), of_clips)
    means = totals[weights > 0] / weights[weights > 0]  # a sparse table may be drawn empty
    tail = (1 - how.level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean, float(low), float(high), clips, raters, left_out)


def krippendorff_alpha(grades_RU: Sequence[Sequence[float | None]]) -> float | None:
    """Compute the ordinal alpha of grades, in which None is a unit that a rater did not grade.

    None if it is not defined: no unit has two grades, or all grades are the same.

    Raises: ValueError - the rows differ in length.
    """
    if len({len(row) for row in grades_RU}) > 1:
        raise ValueError("rows of raters differ in length; use None for a unit without a grade")
    levels = sorted({value for row in grades_RU for value in row if value is not None})
    counts_UV = np.zeros((len(grades_RU[0]) if grades_RU else 0, len(levels)))
    for row in grades_RU:
        for unit, value in enumerate(row):
            if value is not None:
                counts_UV[unit, levels.index(value)] += 1
    counts_UV = counts_UV[counts_UV.sum(axis=1) > 1]  # a unit with one grade has nothing to agree with
    coincidences_VV = _coincidences(counts_UV)
    totals_V = coincidences_VV.sum(axis=0)
    distances_VV = _ordinal(totals_V)
    expected = float((np.outer(totals_V, totals_V) - np.diag(totals_V)).ravel() @ distances_VV.ravel())
    if not expected > 0:
        return None
    observed = float(coincidences_VV.ravel() @ distances_VV.ravel())
    return 1 - (float(totals_V.sum()) - 1) * observed / expected


def _coincidences(counts_UV: Floats) -> Floats:
    """Count how often two grades meet in a unit, each unit weighted by its number of grades: (V, V)."""
    grades_U = counts_UV.sum(axis=1)
    pairs_UVV = counts_UV[:, :, None] * counts_UV[:, None, :] - counts_UV[:, :, None] * np.eye(counts_UV.shape[1])
    return np.asarray((pairs_UVV / (grades_U - 1)[:, None, None]).sum(axis=0))


def _ordinal(totals_V: Floats) -> Floats:
    """Return squared distances of grades: number of grades from one to the other, the ends counting half: (V, V)."""
    middle_V = np.cumsum(totals_V) - totals_V / 2
    return np.square(middle_V[:, None] - middle_V[None, :])
