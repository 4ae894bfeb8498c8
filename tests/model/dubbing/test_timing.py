"""Schedule of source pictures: every length rule, steady and variable rates, and interpolation between frames."""

from fractions import Fraction

import numpy as np
import pytest

from heterodub.model.dubbing.timing import at_times, plan_timeline

BASE = Fraction(1, 1000)
STEADY = np.arange(10) * 40
UNSTEADY = np.array([0, 40, 55, 140, 150, 300])


def planned(ticks, seconds, length, lasts=40):
    return plan_timeline(np.asarray(ticks), lasts, BASE, Fraction(seconds), length)


@pytest.mark.parametrize("seconds", ["0.1", "0.4", "3"])
def test_length_picture_keeps_the_picture_length(seconds):
    plan = planned(UNSTEADY, seconds, "picture", lasts=77)
    assert plan.ticks_N.tolist() == UNSTEADY.tolist()
    assert plan.lasts_N.tolist() == [40, 15, 85, 10, 150, 77]
    assert plan.end_s == Fraction(377, 1000)


@pytest.mark.parametrize("length", ["speech", "loop"])
def test_length_speech_cuts_a_longer_picture(length):
    plan = planned(STEADY, "0.25", length)
    assert plan.source_N.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert plan.end_s == Fraction(1, 4)
    assert plan.lasts_N[-1] == 10


def test_length_speech_holds_the_last_picture():
    plan = planned(STEADY, "0.5", "speech")
    assert plan.source_N.tolist() == [*range(10), 9, 9, 9]
    assert plan.ticks_N.tolist() == [40 * n for n in range(13)]
    assert plan.end_s == Fraction(1, 2)
    assert plan.follows_N[1:].all()


def test_length_loop_repeats_a_shorter_picture():
    plan = planned(UNSTEADY, "1", "loop", lasts=100)
    assert plan.source_N.tolist() == [*range(6), *range(6), *range(5)]
    assert plan.ticks_N[6:12].tolist() == [400 + tick for tick in UNSTEADY]
    assert np.flatnonzero(~plan.follows_N).tolist() == [0, 6, 12]
    assert plan.end_s == 1


def test_empty_speech_leaves_one_frame():
    assert planned(STEADY, "0", "speech").frames == 1


@pytest.mark.parametrize("ticks", [[], [5, 10], [0, 10, 10], [0, 20, 10]])
def test_times_not_rising_from_zero_are_refused(ticks):
    with pytest.raises(ValueError, match="rise from 0"):
        planned(np.array(ticks, np.int64), "1", "picture")


def test_interpolation_is_linear_between_known_times():
    values = np.array([[0.0, 10.0], [4.0, 20.0], [4.0, 0.0]])
    result = at_times(values, np.array([0.0, 1.0, 3.0]), np.array([-1.0, 0.25, 1.0, 2.0, 9.0]))
    assert result.tolist() == [[0, 10], [1, 12.5], [4, 20], [4, 10], [4, 0]]


def test_single_known_time_is_held():
    assert at_times(np.array([[7.0]]), np.array([2.0]), np.array([0.0, 5.0])).tolist() == [[7.0], [7.0]]
