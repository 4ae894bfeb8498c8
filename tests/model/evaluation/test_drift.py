import itertools

import numpy as np
import pytest
from scipy.stats import ks_2samp

from heterodub.tasks.monitoring.drift import chance_distance, drift_distance, effective_count

NAN = np.nan


@pytest.mark.parametrize("seed", range(5))
def test_distance_without_missing_values_is_kolmogorov_smirnov(seed: int):
    draw = np.random.default_rng(seed)
    before, now = draw.normal(0, 1, 80).round(1), draw.normal(0.4, 1.5, 50).round(1)  # rounded: many are equal
    assert drift_distance(before, now) == pytest.approx(ks_2samp(before, now).statistic)


@pytest.mark.parametrize(
    ("before", "now", "distance"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 0.0),
        ([1, 2, 3, 4], [5, 6, 7, 8], 1.0),
        ([1, 2, 3, 4], [3, 4, 5, 6], 0.5),
        ([1, 1, NAN, NAN], [1, NAN, NAN, NAN], 0.25),
        ([NAN, NAN], [NAN], 0.0),
        ([NAN, 5], [5, 5], 0.5),
        ([NAN, 1], [2, NAN], 0.5),
    ],
)
def test_hand_computed_distances(before: list[float], now: list[float], distance: float):
    assert drift_distance(np.array(before, float), np.array(now, float)) == pytest.approx(distance)


def refused(values: np.ndarray, limit: float, upper: bool, absence_counts: bool) -> float:
    broken = values > limit if upper else values < limit
    return float((broken | (absence_counts & np.isnan(values))).mean())


@pytest.mark.parametrize("seed", range(4))
def test_distance_is_the_largest_change_by_any_limit(seed: int):
    """Whichever way a limit cuts, and whether or not it holds absence against a clip."""
    draw = np.random.default_rng(seed)
    before, now = draw.integers(0, 9, 40).astype(float), draw.integers(2, 12, 25).astype(float)
    before[draw.random(40) < 0.2 * seed] = NAN
    now[draw.random(25) < 0.5] = NAN
    rules = itertools.product(np.arange(-0.5, 13, 0.5), (True, False), (True, False))
    changes = [abs(refused(now, *rule) - refused(before, *rule)) for rule in rules]
    assert max(changes) == pytest.approx(drift_distance(before, now))


def test_empty_samples_have_no_distance():
    with pytest.raises(ValueError, match="0 and 1"):
        drift_distance(np.array([]), np.array([1.0]))


def test_clips_of_one_file_count_little():
    assert effective_count(np.array(["a", "b", "c"])) == 3
    assert effective_count(np.array(["a"] * 50)) == 1
    assert effective_count(np.array(["a"] * 9 + ["b"])) == pytest.approx(100 / 82)
    assert effective_count(np.array([])) == 0


def test_chance_level_is_seldom_exceeded():
    """Two draws of files from one source, each file with one value for all of its clips: the worst there is."""
    draw, passed, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        sides = []
        for files in (12, 40):
            of = np.repeat(np.arange(files), draw.integers(1, 9, files))
            sides.append((draw.normal(0, 1, files)[of], of))
        (before, old), (now, new) = sides
        limit = chance_distance(effective_count(old), effective_count(new), 0.95)
        passed += drift_distance(before, now) > limit
    assert 0 < passed / trials <= 0.05


def test_chance_explains_everything_about_one_file():
    assert chance_distance(1, 1000, 0.999) == 1
    assert chance_distance(0, 5, 0.95) == 1
    assert chance_distance(100, 100, 0.95) == pytest.approx(1.3581 * (2 / 100) ** 0.5, rel=1e-3)
