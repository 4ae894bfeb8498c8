"""Jackknife by hand: of a mean it is the textbook's interval."""

import numpy as np
import pytest
from scipy.stats import t

from model.metrics.jackknife import jackknife_interval


def test_jackknife_of_a_mean_is_the_t_interval():
    values = np.array([1.0, 2, 4, 8])
    without = [float(np.delete(values, one).mean()) for one in range(4)]
    interval = jackknife_interval(float(values.mean()), without, clips=4)
    reach = t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert (interval.low, interval.high) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_one_group_has_no_interval():
    assert jackknife_interval(3.0, [2.0], 5).low is None
    assert jackknife_interval(3.0, [], 5).mean == 3


def test_non_finite_values_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        jackknife_interval(1.0, [float("nan"), 1.0], 2)
