"""Senone scores on synthetic speech: aligned with the mel, distinct for sound and silence, stored in a byte each."""

import numpy as np
import pytest

from heterodub.model.features.mel import log_mel
from heterodub.schemas.contract import SENONES
from heterodub.schemas.errors import SettingsError
from heterodub.tasks.quality import senones
from heterodub.tasks.quality.senones import pack, senone_scores, speech_features, unpack

FRAMES = 50


@pytest.fixture(scope="module")
def samples(speeches) -> np.ndarray:
    return np.concatenate([np.zeros(640 * 10, np.float32), speeches[0][: 640 * (FRAMES - 10)]])


@pytest.fixture(scope="module")
def scores(samples) -> np.ndarray:
    return senone_scores(samples, FRAMES)


def test_scores_have_a_row_for_each_mel_column(samples, scores):
    assert scores.shape == (4 * FRAMES, SENONES)
    assert scores.min() >= -1
    assert scores.max() <= 1
    assert scores.max(axis=1).min() > 0.2  # some state fits well, whatever is heard


def test_scores_tell_speech_from_silence(scores):
    silence, speech = scores[8:32], scores[60:]
    assert np.abs(silence - silence.mean(axis=0)).mean() < 0.3 * np.abs(speech - silence.mean(axis=0)).mean()


def test_later_sound_gives_later_scores(samples, scores):
    later = senone_scores(np.concatenate([np.zeros(640 * 5, np.float32), samples[: -640 * 5]]), FRAMES)
    own, shifted = scores[40:170].ravel(), [later[40 + by : 170 + by].ravel() for by in range(16, 25)]
    assert int(np.argmax([np.corrcoef(own, other)[0, 1] for other in shifted])) == 20 - 16


def test_ten_seconds_score_alike_alone_and_within_longer_sound(speeches):
    """Noise before it moves the mean that the recogniser subtracts; the tolerance is 6 % of the range. It begins midway
    between two windows.
    """
    clip, before = np.concatenate(speeches)[: 640 * 250], 375
    quiet = np.random.default_rng(0).normal(0, 1e-4, 640 * before).astype(np.float32)
    inner = slice(4 * 50, 4 * 200)
    within = senone_scores(np.concatenate([quiet, clip]), before + 250)[4 * before :][inner]
    alone = senone_scores(clip, 250)[inner]
    assert np.abs(within - alone).mean() < 0.12
    assert (
        np.abs(senones._scored(np.concatenate([quiet, clip]), before + 250)[4 * before :][inner] - alone).mean() > 0.12
    )


@pytest.mark.parametrize("frames", [249, 250, 251, 401])
def test_longer_sound_is_scored_to_its_end(frames, speeches):
    samples = np.concatenate(speeches * 2)[: 640 * frames]
    result, end = senone_scores(samples, frames), senone_scores(samples[-640 * 250 :], min(frames, 250))
    assert result.shape == (4 * frames, SENONES)
    np.testing.assert_array_equal(result[-200:], end[-200:])


def test_shortest_clip_has_scores():
    assert senone_scores(np.zeros(640, np.float32), 1).shape == (4, SENONES)


def test_stored_scores_are_the_same_to_a_byte(scores):
    assert np.abs(unpack(pack(scores)) - scores).max() <= 1 / 255 + 1e-6


def test_speech_features_hold_scores_behind_the_mel(samples, scores):
    mel = log_mel(samples, FRAMES)
    np.testing.assert_array_equal(speech_features(samples, FRAMES, 80), mel)
    np.testing.assert_array_equal(speech_features(samples, FRAMES, 206), np.hstack([mel, scores]))


def test_missing_recogniser_is_named(monkeypatch):
    monkeypatch.setattr(senones, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"heterodub\[senones\]"):
        senone_scores(np.zeros(6400, np.float32), 10)
