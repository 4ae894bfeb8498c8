"""Means over raters and clips, and agreement of raters: by hand, by the worked example of its author, by simulation."""

import numpy as np
import pytest

from heterodub.model.evaluation.intervals import mean_interval
from heterodub.tasks.reproduction.study_scoring import crossed_interval, krippendorff_alpha

_ = None
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
"""Four observers, twelve units: Klaus Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section C."""


def test_crossed_mean_is_over_all_grades():
    interval = crossed_interval([[1, 2], [3, None]])
    assert interval.mean == pytest.approx(2)
    assert (interval.groups, interval.clips, interval.left_out) == (2, 2, 1)
    assert interval.low < 2 < interval.high


def test_crossed_interval_is_wider_than_independent_grades():
    draw = np.random.default_rng(0)
    grades = draw.normal(3, 1, (8, 1)) + draw.normal(0, 1, (1, 10)) + draw.normal(0, 0.3, (8, 10))
    alone, crossed = mean_interval(grades.ravel().tolist()), crossed_interval(grades.tolist())
    assert crossed.mean == pytest.approx(alone.mean)
    assert crossed.high - crossed.low > 2 * (alone.high - alone.low)


def test_one_rater_or_one_clip_has_no_interval():
    assert crossed_interval([[1, 5]]).low is None
    assert crossed_interval([[1], [5]]).high is None
    assert crossed_interval([[None, None]]).mean is None
    assert crossed_interval([]).mean is None


def test_ragged_grades_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        crossed_interval([[1, 2], [1]])


def test_crossed_interval_has_its_nominal_coverage():
    """Raters and clips both vary; 200 simulated studies."""
    draw, held = np.random.default_rng(1), 0
    for _ in range(200):
        grades = 3 + draw.normal(0, 0.5, (10, 1)) + draw.normal(0, 0.5, (1, 12)) + draw.normal(0, 0.5, (10, 12))
        interval = crossed_interval(grades.tolist())
        held += interval.low < 3 < interval.high
    assert held / 200 > 0.88


def test_agreement_matches_the_published_example():
    assert krippendorff_alpha(KRIPPENDORFF) == pytest.approx(0.815, abs=5e-4)


def test_full_agreement_is_one_and_disagreement_negative():
    assert krippendorff_alpha([[1, 2, 5], [1, 2, 5]]) == 1
    # by hand: values 1, 5 twice each; every pair within a unit disagrees, and of 6 pairs at large 4 do
    assert krippendorff_alpha([[1, 5], [5, 1]]) == pytest.approx(1 - (2 * 2 / 4) / (4 / 6))


def test_near_grades_disagree_less_than_far_ones():
    near, far = ([[1, 2, 3, 4, 5], [1, 2, 3, 4, last]] for last in (4, 1))
    assert 1 > krippendorff_alpha(near) > krippendorff_alpha(far)


def test_undefined_agreement_is_none():
    assert krippendorff_alpha([[3, 3], [3, 3]]) is None  # nothing varies
    assert krippendorff_alpha([[1, 2, 3]]) is None  # nobody to agree with
    assert krippendorff_alpha([]) is None
    with pytest.raises(ValueError, match="differ in length"):
        krippendorff_alpha([[1, 2], [1]])


def test_random_grades_have_agreement_near_zero():
    draw = np.random.default_rng(0)
    assert abs(krippendorff_alpha(draw.integers(1, 6, (4, 2000)).tolist())) < 0.03
