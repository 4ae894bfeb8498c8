"""Agreement of raters: Krippendorff's alpha for ordinal grades.

Source: Klaus Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011,
https://repository.upenn.edu/asc_papers/43. 1 is full agreement, 0 what chance gives; above 0.8 is usually taken as
reliable, below 0.667 as too little to conclude from.

Shape suffix legend: R = raters, U = units that are rated, V = different grades.
"""

from collections.abc import Sequence

import numpy as np

from model.features.arrays import Floats


def krippendorff_alpha(grades_RU: Sequence[Sequence[float | None]]) -> float | None:
    """Compute the ordinal alpha of grades, in which None is a unit that a rater did not grade.

    None if it is not defined: no unit has two grades, or all grades are the same.

    Raises: ValueError - the rows differ in length.
    """
    if len({len(row) for row in grades_RU}) > 1:
        raise ValueError("rows of raters differ in length; use None for a unit without a grade")
    known = sorted({value for row in grades_RU for value in row if value is not None})
    counts_UV = np.zeros((len(grades_RU[0]) if grades_RU else 0, len(known)))
    for row in grades_RU:
        for unit, value in enumerate(row):
            if value is not None:
                counts_UV[unit, known.index(value)] += 1
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
