"""Intervals: hand cases, and how often they hold a truth that is known."""

import numpy as np
import pytest
from scipy.stats import t as student

from heterodub.model.evaluation.intervals import (
    Interval,
    Resampling,
    difference_interval,
    expanded_tail,
    gain_difference_interval,
    jackknife_interval,
    jackknifed_reduction,
    mean_interval,
    reduction_interval,
    share_interval,
)

QUICK = Resampling(level=0.9, resamples=400)


def simulated(speakers: int, draw: np.random.Generator) -> tuple[list[float], list[str]]:
    """Clips around 1: speakers differ by 0.3, clips of one speaker by 0.1, and have 2 to 8 clips each."""
    scores: list[float] = []
    groups: list[str] = []
    for speaker in range(speakers):
        clips = int(draw.integers(2, 9))
        scores += list(1 + draw.normal(0, 0.3) + draw.normal(0, 0.1, clips))
        groups += [f"speaker {speaker}"] * clips
    return scores, groups


def covered(speakers: int, by_speaker: bool, trials: int = 400) -> float:
    hits = 0
    for trial in range(trials):
        scores, groups = simulated(speakers, np.random.default_rng(trial))
        interval = mean_interval(scores, groups if by_speaker else None, QUICK)
        hits += interval.low <= 1 <= interval.high
    return hits / trials


@pytest.mark.parametrize("speakers", [6, 20])
def test_ninety_of_a_hundred_intervals_hold_the_truth(speakers):
    # 400 trials of 0.9 spread by 0.015; clips per speaker that vary cost a little more
    assert 0.85 <= covered(speakers, by_speaker=True) <= 0.95


def test_dependent_clips_widen_the_interval():
    assert covered(20, by_speaker=False) < 0.75


def test_interval_of_two_groups_by_hand():
    # a group is drawn 0, 1 or 2 times: the mean is 1, 2 or 3
    interval = mean_interval([1.0, 3.0, 3.0, 1.0], ["a", "b", "b", "a"], Resampling(level=0.5))
    assert interval == Interval(2.0, 1.0, 3.0, clips=4, groups=2, left_out=0)


def test_speaker_weighs_by_the_number_of_clips():
    interval = mean_interval([1.0, 3.0, 3.0, 3.0], ["a", "b", "b", "b"])
    assert (interval.mean, interval.low, interval.high) == (2.5, 1.0, 3.0)


def test_many_clips_give_the_interval_of_the_textbook():
    scores = np.random.default_rng(1).normal(5, 2, 30)
    interval = mean_interval(scores.tolist(), how=Resampling(resamples=20_000))
    half = student.ppf(0.975, 29) * scores.std(ddof=1) / np.sqrt(30)
    assert interval.mean == pytest.approx(scores.mean())
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.05)


def test_few_groups_widen_the_quantiles():
    # Phi(t(0.025, 9) * sqrt(10 / 9)) = Phi(-2.2622 * 1.0541)
    assert expanded_tail(0.025, 10) == pytest.approx(0.00855, abs=2e-5)
    assert expanded_tail(0.025, 5) < expanded_tail(0.025, 10) < expanded_tail(0.025, 100) < 0.025
    assert expanded_tail(0.025, 10**6) == pytest.approx(0.025, rel=1e-3)


def test_same_seed_gives_the_same_interval_in_any_order_of_clips():
    scores, groups = simulated(9, np.random.default_rng(3))
    order = np.random.default_rng(4).permutation(len(scores))
    shuffled = mean_interval([scores[i] for i in order], [groups[i] for i in order])
    first = mean_interval(scores, groups)
    assert mean_interval(scores, groups) == first
    assert (shuffled.low, shuffled.high) == (pytest.approx(first.low), pytest.approx(first.high))
    assert mean_interval(scores, groups, Resampling(seed=1)) != first


def test_unmeasured_values_are_left_out_and_counted():
    interval = mean_interval([None, 1.0, 2.0, None, 3.0], ["x", "a", "b", "b", "c"])
    assert (interval.mean, interval.clips, interval.groups, interval.left_out) == (2.0, 3, 3, 2)
    paired = difference_interval([1.0, None, 4.0, 5.0], [0.0, 1.0, None, 3.0])
    assert (paired.mean, paired.clips, paired.left_out) == (1.5, 2, 2)


def test_one_group_has_a_mean_and_no_interval():
    assert mean_interval([1.0, 2.0], ["a", "a"]) == Interval(1.5, None, None, 2, 1, 0)
    assert mean_interval([None, None], ["a", "b"]) == Interval(None, None, None, 0, 0, 2)
    assert mean_interval([], []) == Interval(None, None, None, 0, 0, 0)


def test_paired_difference_removes_common_clip_effects():
    draw = np.random.default_rng(5)
    hardness = draw.normal(10, 3, 60)
    baseline, candidate = hardness.tolist(), (hardness - 0.2 + draw.normal(0, 0.1, 60)).tolist()
    interval = difference_interval(candidate, baseline)
    assert interval.mean == pytest.approx(np.mean(candidate) - np.mean(baseline))
    assert -0.25 < interval.low < interval.high < -0.15
    alone = mean_interval(candidate)
    assert alone.high - alone.low > 10 * (interval.high - interval.low)


def test_reduction_is_of_the_means():
    baseline = [1.0, 2.0, 3.0, 6.0]
    interval = reduction_interval([0.75 * value for value in baseline], baseline, ["a", "a", "b", "c"])
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.25, 0.25, 0.25))
    assert reduction_interval([1.0, 5.0], [2.0, 2.0]).mean == pytest.approx(-0.5)


def test_reductions_hold_the_truth():
    hits = 0
    for trial in range(300):
        draw = np.random.default_rng(trial)
        scores, groups = simulated(12, draw)
        gains = {group: draw.normal(0.3, 0.1) for group in dict.fromkeys(groups)}
        baseline = [1 + value for value in scores]
        candidate = [(1 - gains[group]) * value for value, group in zip(baseline, groups, strict=True)]
        interval = reduction_interval(candidate, baseline, groups, QUICK)
        hits += interval.low <= 0.3 <= interval.high
    assert 0.85 <= hits / 300 <= 0.95


def test_no_error_cannot_be_reduced():
    assert reduction_interval([0.0, 0.0], [0.0, 0.0]) == Interval(None, None, None, 2, 2, 0)
    partly = reduction_interval([1.0, 1.0], [0.0, 4.0])
    assert (partly.mean, partly.low, partly.high) == (0.5, None, None)


def test_jackknifed_reduction_is_the_reduction_with_a_t_interval():
    """Three groups, 0.1, 0.2 and 0.3 less error: sd of the groups 0.1, of their mean 0.1 / sqrt(3); t(2) is 4.303."""
    candidate, baseline, groups = [0.9, 0.8, 0.8, 0.7], [1.0, 1.0, 1.0, 1.0], ["a", "b", "b", "c"]
    equal = jackknifed_reduction([0.9, 1.6, 0.7], [1.0, 2.0, 1.0], ["a", "b", "c"])
    assert equal.mean == pytest.approx(reduction_interval([0.9, 1.6, 0.7], [1.0, 2.0, 1.0]).mean)
    even = jackknifed_reduction([0.9, 0.8, 0.7], [1.0] * 3, ["a", "b", "c"])
    assert (even.mean, even.high - even.mean) == pytest.approx((0.2, 4.303 * 0.1 / 3**0.5), rel=1e-3)
    wider = jackknifed_reduction([0.9, 0.8, 0.7], [1.0] * 3, ["a", "b", "c"], level=0.99)
    assert wider.high > even.high
    several = jackknifed_reduction([*candidate, None], [*baseline, 1.0], [*groups, "d"])
    assert (several.mean, several.clips, several.groups, several.left_out) == (pytest.approx(0.2), 4, 3, 1)


def test_jackknifed_reduction_has_no_interval_where_there_is_none():
    assert jackknifed_reduction([], [], []) == Interval(None, None, None, 0, 0, 0)
    one = jackknifed_reduction([0.5, 0.5], [1.0, 1.0], ["a", "a"])
    assert (one.mean, one.low, one.groups) == (0.5, None, 1)
    assert jackknifed_reduction([0.1, 0.1], [0.0, 0.0], ["a", "b"]).mean is None
    partly = jackknifed_reduction([0.5, 0.5], [0.0, 2.0], ["a", "b"])  # without b there is no error to reduce
    assert (partly.mean, partly.low) == (0.5, None)


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_jackknifed_reductions_of_few_groups_hold_the_truth(level):
    hits = 0
    for trial in range(400):
        draw = np.random.default_rng(trial)
        scores, groups = simulated(5, draw)
        gains = {group: draw.normal(0.0, 0.05) for group in dict.fromkeys(groups)}
        baseline = [1 + value for value in scores]
        candidate = [(1 - gains[group]) * value for value, group in zip(baseline, groups, strict=True)]
        interval = jackknifed_reduction(candidate, baseline, groups, level)
        hits += interval.low <= 0.0 <= interval.high
    assert level - 0.05 <= hits / 400


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="groups"):
        mean_interval([1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="scores"):
        difference_interval([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="not finite"):
        mean_interval([1.0, float("nan")])
    with pytest.raises(ValueError, match="never negative"):
        reduction_interval([1.0], [-1.0])
    with pytest.raises(ValueError, match="level"):
        Resampling(level=1.0)
    with pytest.raises(ValueError, match="resamples"):
        Resampling(resamples=0)


def test_gain_is_compared_with_another_s_gain():
    """Own error over its control's: 1 - 6/10 against 1 - 8/10."""
    groups = ["a", "a", "b", "b", "c", "c"]
    interval = gain_difference_interval(([6.0] * 6, [10.0] * 6), ([8.0] * 6, [10.0] * 6), groups)
    assert interval.mean == pytest.approx(0.2)
    assert interval.low == pytest.approx(0.2) and interval.high == pytest.approx(0.2)
    with pytest.raises(ValueError, match="never negative"):
        gain_difference_interval(([6.0], [-1.0]), ([8.0], [10.0]))


def test_jackknife_of_a_mean_is_students():
    values = np.array([1.0, 2, 4, 8])
    without = [float(np.delete(values, one).mean()) for one in range(4)]
    interval = jackknife_interval(float(values.mean()), without, clips=4)
    reach = student.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert (interval.low, interval.high) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_jackknife_of_one_group_has_no_interval():
    assert jackknife_interval(3.0, [2.0], 5).low is None
    assert jackknife_interval(3.0, [], 5).mean == 3


def test_jackknife_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="not finite"):
        jackknife_interval(1.0, [float("nan"), 1.0], 2)


def test_interval_as_text():
    whole, alone = Interval(0.5, 0.25, 0.75, 4, 4, 0), Interval(0.5, None, None, 1, 1, 0)
    assert whole.format() == "0.50 (0.25 to 0.75)"
    assert whole.format("+.1f", scale=100, unit=" %") == "+50.0 % (+25.0 to +75.0)"
    assert alone.format(".3g") == "0.5"
    assert Interval(None, None, None, 0, 0, 2).format(missing="-") == "-"


def test_weighted_share_is_wilsons_with_as_many_trials_as_speakers():
    z = 1.959964
    result = share_interval([True] * 9 + [False], [2.0] * 10, [str(number) for number in range(10)])
    assert result.mean == pytest.approx(0.9)
    middle, reach = (0.9 + z**2 / 20) / (1 + z**2 / 10), z / (1 + z**2 / 10) * (0.09 / 10 + z**2 / 400) ** 0.5
    assert (result.low, result.high) == (pytest.approx(middle - reach, 1e-5), pytest.approx(middle + reach, 1e-5))
    assert (result.clips, result.groups) == (10, 10)


def test_weighted_share_counts_weights_and_not_clips():
    assert share_interval([True, False], [1.0, 3.0], ["a", "b"]).mean == 0.25
    plain = share_interval([True, False] * 5, [1.0] * 10, list("abcdefghij"))
    uneven = share_interval([True, False] * 5, [9.0, 9.0] + [1.0] * 8, list("abcdefghij"))
    few = share_interval([True, False] * 5, [1.0] * 10, list("aabbccddee"))
    assert plain.low is not None and uneven.low is not None and few.low is not None
    assert uneven.low < plain.low and few.low < plain.low


def test_share_of_all_or_none_has_an_interval_within_its_bounds():
    every = share_interval([True] * 5, [1.0] * 5, list("abcde"))
    assert every.high == 1.0 and every.low is not None and 0.5 < every.low < 0.6
    assert share_interval([False] * 5, [1.0] * 5, list("abcde")).low == 0.0


def test_share_without_clips_or_with_one_speaker_has_no_interval():
    assert share_interval([], [], []) == Interval(None, None, None, 0, 0, 0)
    assert share_interval([True, False], [1.0, 1.0], ["a", "a"]) == Interval(0.5, None, None, 2, 1, 0)
    with pytest.raises(ValueError, match="weights"):
        share_interval([True], [0.0], ["a"])
