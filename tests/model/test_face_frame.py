"""The face frame: exact there and back, blind to the mouth, still while the head moves."""

import numpy as np
import pytest

from heterodub.model.features.face_frame import FaceFrame, smooth
from heterodub.model.features.landmarks import LIPS, OUTLINE, POSE
from tests.model.talking import face, talk


def moved(points, angle, scale, shift):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + shift


def test_face_frame_round_trip_is_exact():
    points = talk(50)[0].astype(np.float64)
    frame = FaceFrame.of(points)
    assert np.abs(frame.leave(frame.enter(points)) - points).max() < 1e-10


@pytest.mark.parametrize(("angle", "scale", "shift"), [(0.3, 1, 0), (0, 2.5, 0), (-1.2, 0.4, (90, -40))])
def test_face_frame_ignores_shift_rotation_and_scale(angle, scale, shift):
    points = face()[None]
    there = moved(points, angle, scale, shift)
    np.testing.assert_allclose(FaceFrame.of(there).enter(there), FaceFrame.of(points).enter(points), atol=1e-12)


def test_face_frame_ignores_lips_and_outline():
    points = face()[None]
    other = points.copy()
    other[:, LIPS] += 30
    other[:, OUTLINE] *= 1.5
    assert (FaceFrame.of(other).turn_T == FaceFrame.of(points).turn_T).all()
    assert (FaceFrame.of(other).origin_T == FaceFrame.of(points).origin_T).all()


def test_eyes_on_one_place_are_refused():
    points = np.repeat(face()[None], 3, axis=0)
    points[1, POSE] = 5.0
    with pytest.raises(ValueError, match="frame 1"):
        FaceFrame.of(points)


def test_smoothing_is_a_low_pass():
    time = np.arange(200)
    slow, fast = np.sin(2 * np.pi * time / 150), np.sin(2 * np.pi * time / 6)
    kept = smooth((slow + fast)[:, None], 4.0)[:, 0]
    # a Gaussian of sigma s passes exp(-2 (pi s / period)^2) of a wave
    inner = slice(20, -20)
    assert np.abs(kept - slow * np.exp(-2 * (np.pi * 4 / 150) ** 2))[inner].max() < 0.01


def test_smoothing_nothing_and_constants():
    values = np.random.default_rng(0).normal(size=(30, 4, 2))
    assert (smooth(values, 0.0) == values).all()
    np.testing.assert_allclose(smooth(np.full((7, 2), 3.0), 4.0), 3.0)
