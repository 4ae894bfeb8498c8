"""Features: what the network is given follows from pose points and sound alone, and comes back to the pixel."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import PREDICTED
from heterodub.model.features.mel import FLOOR
from heterodub.model.stage1.features import prepare, scale_mel
from tests.model.talking import talk


def test_senone_scores_stand_behind_the_mel():
    landmarks, tracked, mel = talk(10)
    scores = np.full((40, 126), 0.5, np.float32)
    clip = prepare(np.hstack([mel, scores]), landmarks, tracked, 4.0)
    np.testing.assert_array_equal(clip.mel_CM[:, :80], prepare(mel, landmarks, tracked, 4.0).mel_CM)
    assert (clip.mel_CM[10:50, 80:] == 0.5).all()
    assert (clip.mel_CM[:10, 80:] == -1).all()


def test_targets_come_back_to_source_pixels():
    landmarks, tracked, mel = talk(60)
    clip = prepare(mel, landmarks, tracked, 4.0)
    assert np.abs(clip.frame.leave(clip.target) - landmarks[:, PREDICTED]).max() < 1e-3


def test_pose_features_do_not_contain_the_mouth():
    landmarks, tracked, mel = talk(60)
    other = landmarks.copy()
    other[:, PREDICTED] += np.random.default_rng(1).normal(0, 20, other[:, PREDICTED].shape)
    assert (prepare(mel, landmarks, tracked, 4.0).pose_TPXY == prepare(mel, other, tracked, 4.0).pose_TPXY).all()


def test_silence_surrounds_the_clip_and_becomes_minus_one():
    landmarks, tracked, mel = talk(10)
    clip = prepare(mel, landmarks, tracked, 4.0)
    assert clip.mel_CM.shape == (56, 80)
    assert (clip.mel_CM[:10] == -1).all()
    assert (clip.mel_CM[-6:] == -1).all()
    np.testing.assert_allclose(clip.mel_CM[10:50], scale_mel(mel))
    assert scale_mel(np.log([FLOOR]))[0] == pytest.approx(-1)


@pytest.mark.parametrize("what", ["nan in mel", "infinite landmark", "short mel", "long flags", "nothing tracked"])
def test_unusable_clips_are_refused(what):
    landmarks, tracked, mel = talk(10)
    match what:
        case "nan in mel":
            mel[3, 3] = np.nan
        case "infinite landmark":
            landmarks[2, 5] = np.inf
        case "short mel":
            mel = mel[:-1]
        case "long flags":
            tracked = np.ones(11, bool)
        case "nothing tracked":
            tracked[:] = False
    with pytest.raises(ValueError, match=r"finite|mel|clip|tracked"):
        prepare(mel, landmarks, tracked, 4.0)
