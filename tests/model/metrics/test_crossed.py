"""Means over raters and clips: the interval knows both, and what is missing is no grade."""

import numpy as np
import pytest

from model.metrics.bootstrap import mean_interval
from model.metrics.crossed import crossed_interval


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
