"""The hidden region: covers mouth and jaw, hangs on the pose alone, and its blend is 0 outside."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import LIPS, OUTLINE, PREDICTED
from heterodub.model.stage2 import mask
from tests.model.stage2.faces import SIDE, speaker


@pytest.fixture(scope="module")
def landmarks():
    return speaker(0)[1]


def test_lips_and_chin_are_hidden_and_eyes_are_not(landmarks):
    hidden = mask.hidden(landmarks, SIDE)
    for frame, points in zip(hidden, landmarks.astype(int), strict=True):
        assert frame[points[LIPS, 1], points[LIPS, 0]].all()
        chin = points[OUTLINE][17:23]
        assert frame[chin[:, 1], chin[:, 0]].all()
    assert not hidden[:, : SIDE // 3].any()


def test_neither_mouth_nor_jaw_moves_the_region(landmarks):
    other = landmarks.copy()
    other[:, PREDICTED] += np.random.default_rng(0).normal(0, 9, other[:, PREDICTED].shape)
    assert np.array_equal(mask.hidden(landmarks, SIDE), mask.hidden(other, SIDE))
    assert np.array_equal(mask.soft(landmarks, SIDE), mask.soft(other, SIDE))


def test_head_moves_the_region(landmarks):
    moved = mask.hidden(landmarks + np.array([5, 3]), SIDE)
    assert np.array_equal(moved[:, 3:, 5:], mask.hidden(landmarks, SIDE)[:, :-3, :-5])


def test_blend_is_nothing_outside_and_all_at_the_mouth(landmarks):
    soft, hidden = mask.soft(landmarks, SIDE), mask.hidden(landmarks, SIDE)
    assert (soft[~hidden] == 0).all()
    assert soft[0][tuple(landmarks[0, LIPS][:, ::-1].astype(int).T)].min() > 0.9
    fine = mask.soft(2 * landmarks, 2 * SIDE)
    assert np.abs(np.diff(fine, axis=1)).max() < 0.5


def test_head_at_the_edge_fades_out_at_the_window(landmarks):
    columns = mask.window(SIDE)[1]
    soft = mask.soft(landmarks + np.array([SIDE / 4, 0]), SIDE)
    assert (soft[:, :, columns.stop :] == 0).all()
    assert (soft[:, :, columns.stop - 1] < 0.2).all()


def test_side_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="multiple of 8"):
        mask.window(100)
