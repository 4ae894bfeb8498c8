"""The old mouth in a dubbed one, and lags: known mixtures and known shifts."""

import numpy as np
import pytest

from heterodub.model.evaluation.leak import LEAST_FRAMES, best_lag, leak, peak_offset

DRAW = np.random.default_rng(0)
WANTED, SOURCE = DRAW.normal(0, 0.05, (2, 400))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_leak_is_the_share_of_the_source_in_the_movement(share):
    mixed = (1 - share) * WANTED + share * SOURCE
    expected = share / np.hypot(share, 1 - share)
    assert leak(mixed, SOURCE, WANTED) == pytest.approx(expected, abs=0.1)


def test_a_dub_in_the_video_s_own_words_does_not_leak():
    own = SOURCE + DRAW.normal(0, 0.01, 400)
    assert abs(leak(own, SOURCE, SOURCE * 1.1 + DRAW.normal(0, 0.005, 400))) < 0.3
    assert leak(own, SOURCE, SOURCE) is None  # nothing of the source's is beyond the wanted


def test_leak_needs_two_seconds_and_a_mouth_that_moves():
    few = LEAST_FRAMES - 1
    assert leak(SOURCE[:few], SOURCE[:few], WANTED[:few]) is None
    assert leak(np.zeros(400), SOURCE, WANTED) is None


@pytest.mark.parametrize("lag", [-3.0, 0.0, 2.5])
def test_best_lag_is_found_to_a_part_of_a_frame(lag):
    times = np.arange(100.0)
    wanted, late = (np.sin((times - by) / 3) + np.sin((times - by) / 7.7) for by in (0, lag))
    assert best_lag(late, wanted, 0.5) == pytest.approx(lag, abs=0.1)


def test_no_lag_is_given_where_nothing_fits_or_moves():
    assert best_lag(DRAW.normal(size=400), WANTED, 0.5) is None
    assert best_lag(np.zeros(400), WANTED, 0.5) is None
    assert best_lag(WANTED[:50], WANTED[:50], 0.5) is None


def test_peak_offset_of_a_parabola_is_exact():
    places = np.arange(5.0)
    assert peak_offset(-((places - 2.3) ** 2), 2) == pytest.approx(0.3)
    assert peak_offset(places, 4) == 0.0
