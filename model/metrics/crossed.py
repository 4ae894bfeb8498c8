"""Intervals of means over raters and clips, both of which are samples and are resampled independently.

Source: Art Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007, https://arxiv.org/abs/0712.1111.
It is a little wide rather than too narrow.

Shape suffix legend: R = raters, C = clips, S = resamples.
"""

from collections.abc import Sequence

import numpy as np

from model.metrics.bootstrap import STANDARD, Interval, Resampling


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
    known = ~np.isnan(values)
    if not known.any():
        return Interval(None, None, None, 0, 0, left_out)
    sums, (raters, clips) = np.where(known, values, 0.0), known.shape
    mean = float(sums.sum() / known.sum())
    if min(raters, clips) < 2:
        return Interval(mean, None, None, clips, raters, left_out)
    draw = np.random.default_rng(how.seed)
    of_raters, of_clips = (draw.multinomial(count, np.full(count, 1 / count), how.resamples) for count in known.shape)
    totals = np.einsum("sr,rc,sc->s", of_raters, sums, of_clips)
    weights = np.einsum("sr,rc,sc->s", of_raters, known.astype(float), of_clips)
    means = totals[weights > 0] / weights[weights > 0]  # a sparse table may be drawn empty
    tail = (1 - how.level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean, float(low), float(high), clips, raters, left_out)
