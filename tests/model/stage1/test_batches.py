"""Augmentation: a mirrored face is the face of a mirrored picture, a louder sound is the same sound."""

from dataclasses import replace

import numpy as np

from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import MIRRORED, mouth_opening
from heterodub.model.stage1.batches import _disturbed, _played, mirror, mirror_pose
from heterodub.model.stage1.features import prepare, scale_mel
from heterodub.schemas.config.training import Augmentation
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


def test_gain_augmentation_shifts_the_log_mel():
    mel = scale_mel(np.full((40, 80), -5.0))
    mel[:10] = -1.0
    louder = _disturbed(mel, Augmentation(gain_db=6, tilt_db=0, noise=0), np.random.default_rng(0))
    assert (louder[:10] == -1).all()
    change = louder[10:] - mel[10:]
    assert np.ptp(change) < 1e-6
    assert abs(change.mean()) > 1e-3


def test_augmentation_leaves_senone_scores_alone():
    speech = np.hstack([scale_mel(np.zeros((8, 80))), np.linspace(-1, 1, 8 * 126, dtype=np.float32).reshape(8, 126)])
    louder = _disturbed(speech, Augmentation(gain_db=6, vtlp_std=0.1), np.random.default_rng(0))
    np.testing.assert_array_equal(louder[:, 80:], speech[:, 80:])
    assert not np.allclose(louder[:, :80], speech[:, :80])


def test_dropped_sound_is_silence():
    mel = scale_mel(np.zeros((8, 80)))
    assert (_disturbed(mel, Augmentation(drop_sound=1.0), np.random.default_rng(0)) == -1).all()


def test_vtlp_moves_bands_and_keeps_silence():
    mel = np.full((40, 80), -1.0, np.float32)
    mel[20:, 40] = 1.0
    how = Augmentation(gain_db=0, tilt_db=0, noise=0, vtlp_std=0.1)
    places = {int(_disturbed(mel, how, np.random.default_rng(seed))[20:].mean(0).argmax()) for seed in range(8)}
    assert len(places) > 3
    assert all(28 < place < 54 for place in places)
    assert (_disturbed(mel, how, np.random.default_rng(0))[:20] == -1).all()


def test_speed_perturb_keeps_audio_and_face_aligned():
    """Pose and mel are ramps of time here, so what was played can be read off."""
    landmarks, tracked, mel = talk(100)
    clip = prepare(mel, landmarks, tracked, 4.0)
    ramp = np.arange(100, dtype=np.float32)
    pose = np.broadcast_to(ramp[:, None, None], clip.pose_TPXY.shape).astype(np.float32)
    columns = (np.arange(len(clip.mel_CM), dtype=np.float32) - 10) / 4
    clip = replace(clip, pose_TPXY=pose, mel_CM=np.broadcast_to(columns[:, None], clip.mel_CM.shape))
    rates = set()
    for seed in range(6):
        points, played, heard, counted = _played(clip, slice(30, 50), 0.1, np.random.default_rng(seed))
        times = played[:, 0, 0]
        assert len(points) == len(counted) == 20 and len(heard) == 96
        np.testing.assert_allclose(heard[10:90:4, 0], times, atol=1e-4)
        assert times[0] == 30
        rates.add(round(float(times[1] - times[0]), 4))
    assert len(rates) == 6 and min(rates) < 1 < max(rates)


def test_speed_perturb_stays_in_the_clip_and_keeps_lost_frames():
    landmarks, tracked, mel = talk(40)
    tracked[35] = False
    clip = prepare(mel, landmarks, tracked, 4.0)
    for seed in range(8):
        points, *_, counted = _played(clip, slice(20, 40), 0.3, np.random.default_rng(seed))
        assert np.isfinite(points).all()
        assert counted[0]
    assert not _played(clip, slice(20, 40), 0.0, np.random.default_rng(0))[3][15]
