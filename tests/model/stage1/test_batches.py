"""Augmentation: a mirrored face is the face of a mirrored picture, a louder sound is the same sound."""

import numpy as np

from model.features.face_frame import FaceFrame
from model.features.landmarks import MIRRORED, mouth_opening
from model.stage1.batches import _disturbed, mirror, mirror_pose
from model.stage1.features import prepare, scale_mel
from schemas.training import Augmentation
from tests.model.talking import talk


def test_mirroring_points_in_the_face_frame_is_mirroring_the_picture():
    landmarks, _, _ = talk(20)
    pixels = landmarks.astype(float)[:, MIRRORED] * [-1, 1] + [640, 0]
    np.testing.assert_allclose(FaceFrame.of(pixels).enter(pixels), mirror_of(landmarks), atol=1e-6)


def mirror_of(landmarks):
    return mirror(FaceFrame.of(landmarks).enter(landmarks).astype(np.float64))


def test_mirroring_twice_changes_nothing_and_mouths_open_as_before():
    landmarks, tracked, mel = talk(20)
    clip = prepare(mel, landmarks, tracked, 4.0)
    assert (mirror(mirror(clip.points_TPXY)) == clip.points_TPXY).all()
    assert (mirror_pose(mirror_pose(clip.pose_TPXY)) == clip.pose_TPXY).all()
    np.testing.assert_allclose(mouth_opening(mirror(clip.points_TPXY)), mouth_opening(clip.points_TPXY), atol=1e-5)


def test_louder_is_a_shift_and_silence_stays_silent():
    mel = scale_mel(np.full((40, 80), -5.0))
    mel[:10] = -1.0
    louder = _disturbed(mel, Augmentation(gain_db=6, tilt_db=0, noise=0), np.random.default_rng(0))
    assert (louder[:10] == -1).all()
    change = louder[10:] - mel[10:]
    assert np.ptp(change) < 1e-6
    assert abs(change.mean()) > 1e-3


def test_dropped_sound_is_silence():
    mel = scale_mel(np.zeros((8, 80)))
    assert (_disturbed(mel, Augmentation(drop_sound=1.0), np.random.default_rng(0)) == -1).all()
