"""From stage 1's mouth to landmarks of the output: what moves, what stands, and that pieces do not show."""

import numpy as np
import pytest

from model.dubbing.motion import Spoken, wanted_landmarks
from model.features.face_frame import FaceFrame
from model.features.landmarks import LIPS, OUTLINE, POSE, PREDICTED
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


def test_pieces_equal_one_pass(measured, spoken):
    whole = wanted_landmarks(spoken, measured, TIMES, slice(0, 50), 1.2)
    for start, stop in ((0, 7), (7, 8), (8, 50)):
        part = wanted_landmarks(spoken, measured, TIMES, slice(start, stop), 1.2)
        np.testing.assert_allclose(part.wanted_NPXY, whole.wanted_NPXY[start:stop], atol=1e-4)
        np.testing.assert_allclose(part.source_NPXY, whole.source_NPXY[start:stop], atol=1e-4)


def test_the_mouth_is_the_speech_s_and_the_rest_the_picture_s(measured, spoken):
    found = wanted_landmarks(spoken, measured, TIMES, slice(0, 50), 0.0)
    np.testing.assert_allclose(found.source_NPXY, measured, atol=1e-3)
    np.testing.assert_allclose(found.wanted_NPXY[:, POSE], measured[:, POSE], atol=1e-3)
    lips = FaceFrame.of(found.wanted_NPXY).enter(found.wanted_NPXY)[:, LIPS]
    at = 5 * np.arange(5)  # output frames 0, 6, 12, ... are stage 1's frames 0, 5, 10, ...
    np.testing.assert_allclose(lips[6 * np.arange(5)], spoken.points_GPXY[at, 40:], atol=1e-3)


def test_the_jaw_moves_and_the_ears_stand(measured, spoken):
    found = wanted_landmarks(spoken, measured, TIMES, slice(0, 50), 0.0)
    off = np.abs(found.wanted_NPXY - found.source_NPXY)[:, OUTLINE].max(axis=(0, 2))
    assert off[[0, 1, 38, 39]].max() == 0
    assert off[20] > 1


def test_jitter_is_smoothed_and_steady_movement_is_not_held_back(spoken):
    still = np.repeat(talk(1, seed=1)[0], 50, axis=0)
    moving = still + np.linspace(0, 40, 50)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 1, moving.shape)
    found = wanted_landmarks(spoken, moving + noise, TIMES, slice(8, 42), 2.0).source_NPXY
    assert np.abs(found - moving[8:42]).std() < 0.5
    assert abs((found - moving[8:42]).mean()) < 0.05
