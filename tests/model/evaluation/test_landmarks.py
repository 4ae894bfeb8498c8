"""The scores, on faces where each can be worked out by hand, and what must not move them."""

from dataclasses import asdict

import numpy as np
import pytest

from heterodub.model.evaluation.controls import copy_reference
from heterodub.model.evaluation.landmarks import LEAST_FRAMES, LEAST_MOTION, score_clip
from heterodub.model.features.landmarks import LIPS, OUTLINE, POSE, PREDICTED, SLICES, bounding_diagonal
from tests.model.evaluation.faces import UNIT_PX, moved, talking

GAPS = 12 + 6 * np.sin(np.arange(50) * 0.7)
ALL = np.ones(50, np.bool_)
TRUE = talking(GAPS)


def numbers(scores) -> dict:
    return {name: value for name, value in asdict(scores).items() if name != "missing"}


def test_truth_scores_perfectly_on_a_moving_head():
    scores = score_clip(moved(TRUE), moved(TRUE), ALL)
    assert scores.nme == scores.nme_lips == scores.nme_outline == scores.velocity_error == 0
    assert scores.mouth_opening_corr == pytest.approx(1)
    assert scores.mouth_opening_std_ratio == scores.jitter == pytest.approx(1)
    assert scores.frames == 50


def test_nme_is_the_mean_distance_over_the_diagonal_of_the_true_face():
    predicted = TRUE.copy()
    predicted[:, LIPS] += [3.0, 4.0]  # 5 px
    predicted[:, OUTLINE] += [0.0, 10.0]
    # from the brows at -20 to the chin at 100, from ear to ear 120; 40 points see no pixel exactly at the chin
    diagonal = np.hypot(120.0, 20 + TRUE[0, OUTLINE, 1].max())
    assert bounding_diagonal(TRUE) == pytest.approx(diagonal)
    scores = score_clip(predicted, TRUE, ALL)
    assert scores.nme_lips == pytest.approx(5 / diagonal)
    assert scores.nme_outline == pytest.approx(10 / diagonal)
    assert scores.nme == pytest.approx((60 * 5 + 40 * 10) / 100 / diagonal)


def test_each_frame_is_measured_by_its_own_diagonal():
    predicted, true = TRUE.copy(), TRUE.copy()
    true[25:] *= 2
    predicted[25:] *= 2
    predicted[25:, PREDICTED, 0] += 6
    scores = score_clip(predicted, true, ALL)
    assert scores.nme == pytest.approx(6 / (2 * bounding_diagonal(TRUE[0])) / 2)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.3])
def test_articulation_is_the_share_of_the_movement(share):
    scores = score_clip(talking(12 + share * (GAPS - 12)), TRUE, ALL)
    assert scores.mouth_opening_std_ratio == pytest.approx(share)
    if share:
        assert scores.mouth_opening_corr == pytest.approx(1)
        assert scores.jitter == pytest.approx(share)


def test_correlation_has_the_sign_and_size_of_the_textbook():
    draw = np.random.default_rng(0)
    gaps = GAPS + draw.normal(0, 4, 50)
    scores = score_clip(moved(talking(gaps)), moved(TRUE), ALL)
    assert scores.mouth_opening_corr == pytest.approx(np.corrcoef(gaps, GAPS)[0, 1])
    assert score_clip(talking(30 - GAPS), TRUE, ALL).mouth_opening_corr == pytest.approx(-1)


def test_velocity_error_of_still_lips_is_the_speed_of_the_true_ones():
    scores = score_clip(moved(talking(np.full(50, 12.0))), moved(TRUE), ALL)
    # both lower lips move with the gap, the upper ones stay
    assert scores.velocity_error == pytest.approx(np.abs(np.diff(GAPS)).mean() / 2 / UNIT_PX)
    assert scores.mouth_opening_std_ratio == pytest.approx(0)


def test_constant_error_has_no_velocity_error():
    predicted = TRUE.copy()
    predicted[:, LIPS] += [7.0, -2.0]
    assert score_clip(predicted, TRUE, ALL).velocity_error == pytest.approx(0)


def test_trembling_is_jitter():
    predicted = TRUE.copy()
    predicted[::2, LIPS] += 0.5
    assert score_clip(predicted, TRUE, ALL).jitter > 1.1


def test_copied_mouth_stands_still_though_the_head_turns_aside():
    true = TRUE.copy()
    true[:, :, 0] *= (1 + 0.4 * np.sin(np.arange(50) / 5))[:, None]
    scores = score_clip(copy_reference(true[:1], true), true, ALL)
    assert scores.mouth_opening_std_ratio == pytest.approx(0, abs=1e-9)
    assert scores.mouth_opening_corr is None


def test_pose_points_of_a_prediction_count_for_nothing():
    predicted = talking(GAPS[::-1])
    other = predicted.copy()
    other[:, POSE] = np.nan
    assert score_clip(other, TRUE, ALL) == score_clip(predicted, TRUE, ALL)


def test_frames_that_were_not_tracked_do_not_count():
    predicted, true, tracked = talking(GAPS[::-1]), TRUE.copy(), ALL.copy()
    tracked[[0, 7, 8]] = False
    wanted = score_clip(predicted, true, tracked)
    predicted[~tracked] = np.nan
    true[~tracked] = 0
    assert score_clip(predicted, true, tracked) == wanted
    assert wanted.frames == 47


def test_velocity_skips_untracked_gaps():
    gaps = np.repeat([8.0, 20.0], 25)  # the mouth jumps once, while nobody looks
    tracked = ALL.copy()
    tracked[25] = False
    scores = score_clip(talking(np.full(50, 8.0)), talking(gaps), tracked)
    assert scores.velocity_error == 0
    assert scores.jitter is None


def test_still_mouths_have_no_correlation():
    still = talking(np.full(50, 12.0))
    scores = score_clip(still, TRUE, ALL)
    assert scores.mouth_opening_corr is None
    assert scores.mouth_opening_std_ratio == pytest.approx(0)
    assert [name for name, value in asdict(scores).items() if value is None] == ["mouth_opening_corr"]
    scores = score_clip(TRUE, still, ALL)
    names = ("mouth_opening_corr", "mouth_opening_std_ratio", "jitter")
    assert [getattr(scores, name) for name in names] == [None, None, None]
    assert sum(value is None for value in asdict(scores).values()) == len(names)


@pytest.mark.parametrize(("share", "moves"), [(0.99, False), (1.01, True)])
def test_mouth_moves_from_the_limit_on(share, moves):
    amplitude_px = share * LEAST_MOTION * UNIT_PX
    scores = score_clip(talking(12 + amplitude_px * np.tile([-1.0, 1.0], 25)), TRUE, ALL)
    assert (scores.mouth_opening_corr is not None) is moves


def test_too_few_frames_leave_motion_scores_undefined():
    none = score_clip(TRUE, TRUE, ~ALL)
    assert set(numbers(none).values()) == {0, None}

    tracked = ~ALL
    tracked[3] = True
    one = score_clip(TRUE, TRUE, tracked)
    assert one.nme == 0
    missing = [name for name, value in asdict(one).items() if value is None]
    assert missing == ["mouth_opening_corr", "mouth_opening_std_ratio", "velocity_error", "jitter"]
    for frames, measured in ((LEAST_FRAMES - 1, False), (LEAST_FRAMES, True)):
        scores = score_clip(TRUE, TRUE, np.arange(50) < frames)
        assert (scores.mouth_opening_std_ratio is not None) is measured


def test_invalid_predictions_are_refused():
    lost = TRUE.copy()
    lost[4, SLICES["outline"].start, 0] = np.nan
    for predicted, tracked in ((TRUE[:40], ALL), (TRUE[:, :100], ALL), (TRUE, ALL[:40]), (TRUE, ALL.astype(int))):
        with pytest.raises(ValueError, match="scores need landmarks"):
            score_clip(predicted, TRUE, tracked)
    with pytest.raises(ValueError, match="not finite"):
        score_clip(lost, TRUE, ALL)
    with pytest.raises(ValueError, match="no face frame"):
        score_clip(TRUE, np.zeros_like(TRUE), ALL)


def test_inputs_are_not_modified():
    predicted, true = talking(GAPS[::-1]).astype(np.float32), TRUE.astype(np.float32)
    before = predicted.copy(), true.copy()
    score_clip(predicted, true, ALL)
    assert np.array_equal(predicted, before[0])
    assert np.array_equal(true, before[1])
