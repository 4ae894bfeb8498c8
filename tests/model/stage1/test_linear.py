"""Linear map from speech to lips: finds what is linear, chooses its regularisation by speakers it has not seen."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import mouth_opening
from heterodub.model.stage1.features import prepare
from heterodub.model.stage1.linear import LinearMoments, LinearMotion
from tests.model.talking import talk


def prepared(seed, frames=60):
    landmarks, tracked, mel = talk(frames, seed)
    return prepare(mel, landmarks, tracked, 4.0)


def fitted(seeds, shuffled=False) -> LinearMotion:
    moments = LinearMoments()
    for seed in seeds:
        clip = prepared(seed)
        if shuffled:
            clip.mel_CM[:] = prepared(seed + 1000).mel_CM
        moments.add(clip, f"speaker {seed}", 1.0)
    return moments.fit()


def lips_of(linear, clip):
    points = clip.points_TPXY.astype(np.float64)
    points[:, -60:] = points[:, -60:].mean(axis=0) + linear.predict(clip.mel_CM)[:, -60:]
    return mouth_opening(points)


@pytest.fixture(scope="module")
def linear():
    return fitted(range(6))


def test_fit_predicts_the_mouth_of_an_unseen_speaker(linear):
    clip = prepared(50)
    assert np.corrcoef(lips_of(linear, clip), mouth_opening(clip.points_TPXY))[0, 1] > 0.9


def test_fit_to_foreign_sound_hardly_moves(linear):
    foreign = fitted(range(6), shuffled=True)
    clip = prepared(50)
    assert foreign.predict(clip.mel_CM).std() < 0.3 * linear.predict(clip.mel_CM).std()


def test_prediction_of_a_frame_depends_on_its_own_window_alone(linear):
    clip = prepared(51)
    whole = linear.predict(clip.mel_CM)
    assert whole.shape == (60, 100, 2)
    assert np.allclose(linear.predict(clip.mel_CM[40 : 40 + 20]), whole[10:11], atol=1e-6)


def test_weights_stand_for_repeated_clips():
    once, twice = LinearMoments(), LinearMoments()
    for seed in range(3):
        once.add(prepared(seed), f"speaker {seed}", 2.0)
        twice.add(prepared(seed), f"speaker {seed}", 1.0)
        twice.add(prepared(seed), f"speaker {seed}", 1.0)
    mel = prepared(9).mel_CM
    assert np.allclose(once.fit().predict(mel), twice.fit().predict(mel), atol=1e-5)


def test_one_speaker_is_enough():
    moments = LinearMoments()
    moments.add(prepared(0), "only", 1.0)
    assert np.isfinite(moments.fit().predict(prepared(1).mel_CM)).all()


def test_still_mouths_give_a_still_map():
    moments = LinearMoments()
    for seed in range(2):
        clip = prepared(seed)
        clip.points_TPXY[:] = clip.points_TPXY[:1]
        moments.add(clip, f"speaker {seed}", 1.0)
    assert np.abs(moments.fit().predict(prepared(1).mel_CM)).max() < 1e-6


def test_fit_needs_a_clip():
    with pytest.raises(ValueError, match="at least one clip"):
        LinearMoments().fit()
