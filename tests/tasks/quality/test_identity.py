"""Fingerprints: near for what is nearly the same, far for what is not."""

import cv2
import numpy as np
import pytest
import skimage.data

from model.features.mel import log_mel
from tasks.quality.identity import POSITIONS, clip_picture_hash, picture_hash, sound_hash


def apart(first: bytes, second: bytes) -> int:
    """Bits that differ."""
    assert len(first) == len(second)
    return int(np.unpackbits(np.frombuffer(first, np.uint8) ^ np.frombuffer(second, np.uint8)).sum())


@pytest.fixture
def grey(photograph) -> np.ndarray:
    return cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY)


def recoded(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize(
    "change",
    [
        recoded,
        lambda picture: cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA),
        lambda picture: cv2.resize(picture, (800, 800), interpolation=cv2.INTER_CUBIC),
        lambda picture: np.clip(picture * 0.8 + 10, 0, 255).astype(np.uint8),
        lambda picture: cv2.GaussianBlur(picture, (0, 0), 2),
    ],
    ids=["recoded", "smaller", "larger", "darker", "blurred"],
)
def test_the_same_picture_in_another_shape_is_near(grey, change):
    assert apart(picture_hash(grey), picture_hash(change(grey))) <= 4


def test_different_pictures_are_far(grey):
    others = [skimage.data.camera(), skimage.data.coins(), skimage.data.page(), grey[:, ::-1].copy(), 255 - grey]
    hashes = [picture_hash(picture) for picture in (grey, *others)]
    assert all(len(found) == 8 for found in hashes)
    pairs = [apart(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(pairs) >= 14


def test_half_of_the_bits_are_set(grey):
    assert 28 <= np.unpackbits(np.frombuffer(picture_hash(grey), np.uint8)).sum() <= 36


@pytest.mark.parametrize("frames", [25, 26, 100, 250])
def test_five_frames_at_fixed_shares_of_the_clip(frames):
    hashes = [number.to_bytes(8, "big") for number in range(frames)]
    taken = np.frombuffer(clip_picture_hash(hashes), ">u8")
    assert taken.tolist() == [round(position * (frames - 1)) for position in POSITIONS]
    assert len(taken) == 5


def heard(samples: np.ndarray, frames: int = 125) -> bytes:
    return sound_hash(log_mel(np.ascontiguousarray(samples[: frames * 640]), frames))


def test_four_bytes_a_frame(speeches):
    for frames in (1, 2, 25, 125):
        assert len(heard(speeches[0], frames)) == 4 * frames


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_gain_does_not_move_the_sound_fingerprint(speeches, gain):
    loud = speeches[0] + noise(speeches[0], 0.001)  # above the floor, as recordings are
    assert apart(heard(loud), heard(loud * gain)) / (32 * 125) < 0.02


def noise(like: np.ndarray, level: float, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(like.size)).astype(np.float32)


def test_mild_noise_moves_less_of_it_than_other_words(speeches):
    room = speeches[0] + noise(speeches[0], 0.002)
    mild = apart(heard(room), heard(room + noise(room, 0.0006, seed=1))) / (32 * 125)
    other = apart(heard(room), heard(speeches[1] + noise(speeches[1], 0.002, seed=2))) / (32 * 125)
    assert mild < 0.3
    assert 0.4 < other < 0.6


def test_the_fingerprint_is_of_the_moment(speeches):
    """One second later the fingerprint is another; the same second in another place of the file is the same."""
    room = speeches[0] + noise(speeches[0], 0.001)
    whole, later = heard(room, 150), heard(room[25 * 640 :], 100)
    assert apart(whole[25 * 4 + 8 : 120 * 4], later[8 : 95 * 4]) / (32 * 93) < 0.02
    assert apart(whole[:400], later) / 3200 > 0.4
