"""From stage 1's mouth to landmarks of the output: what moves, what stands, and that pieces do not show."""

import numpy as np
import pytest

from heterodub.model.dubbing.motion import Smoothing, Spoken, wanted_landmarks
from heterodub.model.dubbing.timing import at_times
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import OUTLINE, POSE, PREDICTED, SLICES, mouth_opening
from tests.model.talking import talk

TIMES = np.arange(50) / 30
GRID = np.arange(45) / 25


@pytest.fixture(scope="module")
def measured() -> np.ndarray:
    return talk(50, seed=1)[0]


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    other = talk(45, seed=2)[0]
    return Spoken(FaceFrame.of(other).enter(other)[:, PREDICTED].astype(np.float32), GRID)


def test_chunked_landmarks_equal_one_pass(measured, spoken):
    whole = wanted_landmarks(spoken, measured, TIMES, slice(0, 50), Smoothing(1.2, 3))
    for start, stop in ((0, 7), (7, 8), (8, 50)):
        part = wanted_landmarks(spoken, measured, TIMES, slice(start, stop), Smoothing(1.2, 3))
        np.testing.assert_allclose(part.wanted_NPXY, whole.wanted_NPXY[start:stop], atol=1e-4)
        np.testing.assert_allclose(part.source_NPXY, whole.source_NPXY[start:stop], atol=1e-4)


def test_mouth_follows_the_speech_and_the_rest_the_picture(measured, spoken):
    result = wanted_landmarks(spoken, measured, TIMES, slice(0, 50), Smoothing(0, 10))
    np.testing.assert_allclose(result.source_NPXY, measured, atol=1e-3)
    np.testing.assert_allclose(result.wanted_NPXY[:, POSE], measured[:, POSE], atol=1e-3)
    other = talk(45, seed=2)[0]
    said = at_times(mouth_opening(other), GRID, TIMES)
    assert np.corrcoef(mouth_opening(result.wanted_NPXY), said)[0, 1] > 0.99
    assert abs(np.corrcoef(mouth_opening(result.wanted_NPXY), mouth_opening(measured))[0, 1]) < 0.4


def test_mouth_position_follows_the_picture(measured, spoken):
    """Stage 1's mouth beside the face's middle, too wide and tilted, comes to lie on the true one's place."""
    wrong = spoken.points_GPXY.copy()
    wrong[:, 40:] = (wrong[:, 40:] - wrong[:, 40:].mean(axis=(0, 1))) @ [[1.2, 0.3], [-0.3, 1.2]] + [0.3, 1.2]
    result = wanted_landmarks(Spoken(wrong, GRID), measured, TIMES, slice(0, 50), Smoothing(0, 10)).wanted_NPXY
    corners = [SLICES["lip_upper_outer"].start, SLICES["lip_upper_outer"].stop - 1]
    off = (result - measured)[:, corners].mean(axis=0)
    assert np.abs(off).max() < 2


def test_jaw_moves_and_ears_stay(measured, spoken):
    result = wanted_landmarks(spoken, measured, TIMES, slice(0, 50), Smoothing(0, 10))
    off = np.abs(result.wanted_NPXY - result.source_NPXY)[:, OUTLINE].max(axis=(0, 2))
    assert off[[0, 1, 38, 39]].max() == 0
    assert off[20] > 1


def test_jitter_is_smoothed_and_steady_movement_is_not_held_back(spoken):
    still = np.repeat(talk(1, seed=1)[0], 50, axis=0)
    moving = still + np.linspace(0, 40, 50)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 1, moving.shape)
    result = wanted_landmarks(spoken, moving + noise, TIMES, slice(8, 42), Smoothing(2, 8)).source_NPXY
    assert np.abs(result - moving[8:42]).std() < 0.5
    assert abs((result - moving[8:42]).mean()) < 0.05
