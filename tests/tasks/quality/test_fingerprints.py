"""Fingerprints: near for what is nearly the same, far for what is not."""

import cv2
import numpy as np
import pytest
import skimage.data

from heterodub.model.features.landmarks import MIRRORED, SLICES
from heterodub.model.features.mel import log_mel
from heterodub.tasks.quality.fingerprints import POSITIONS, clip_picture_hash, face_motion, picture_hash, sound_hash


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
def test_same_picture_in_another_shape_is_near(grey, change):
    assert apart(picture_hash(grey), picture_hash(change(grey))) <= 4


def test_different_pictures_are_far(grey):
    others = [skimage.data.camera(), skimage.data.coins(), skimage.data.page(), grey[:, ::-1].copy(), 255 - grey]
    hashes = [picture_hash(picture) for picture in (grey, *others)]
    assert all(len(result) == 8 for result in hashes)
    pairs = [apart(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(pairs) >= 14


def test_half_of_the_bits_are_set(grey):
    assert 28 <= np.unpackbits(np.frombuffer(picture_hash(grey), np.uint8)).sum() <= 36


@pytest.mark.parametrize("frames", [25, 26, 100, 250])
def test_five_frames_at_fixed_shares_of_the_clip(frames):
    greys = np.random.default_rng(0).integers(0, 256, (frames, 40, 50), np.uint8)
    shown = [greys[round(position * (frames - 1))] for position in POSITIONS]
    assert clip_picture_hash(list(greys)) == b"".join(map(picture_hash, shown))
    assert len(clip_picture_hash(list(greys))) == 40


def hash_of(samples: np.ndarray, frames: int = 125) -> bytes:
    return sound_hash(log_mel(np.ascontiguousarray(samples[: frames * 640]), frames))


def test_four_bytes_a_frame(speeches):
    for frames in (1, 2, 25, 125):
        assert len(hash_of(speeches[0], frames)) == 4 * frames


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_gain_does_not_move_the_sound_fingerprint(speeches, gain):
    loud = speeches[0] + noise(speeches[0], 0.001)  # above the floor, as recordings are
    assert apart(hash_of(loud), hash_of(loud * gain)) / (32 * 125) < 0.02


def noise(like: np.ndarray, level: float, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(like.size)).astype(np.float32)


def test_mild_noise_moves_less_of_it_than_other_words(speeches):
    room = speeches[0] + noise(speeches[0], 0.002)
    mild = apart(hash_of(room), hash_of(room + noise(room, 0.0006, seed=1))) / (32 * 125)
    other = apart(hash_of(room), hash_of(speeches[1] + noise(speeches[1], 0.002, seed=2))) / (32 * 125)
    assert mild < 0.3
    assert 0.4 < other < 0.6


def test_fingerprint_is_of_the_moment(speeches):
    """One second later the fingerprint is another; the same second in another place of the file is the same."""
    room = speeches[0] + noise(speeches[0], 0.001)
    whole, later = hash_of(room, 150), hash_of(room[25 * 640 :], 100)
    assert apart(whole[25 * 4 + 8 : 120 * 4], later[8 : 95 * 4]) / (32 * 93) < 0.02
    assert apart(whole[:400], later) / 3200 > 0.4


@pytest.fixture
def face() -> np.ndarray:
    """(100, 216, 2): boundaries where those of a face are, swaying, nodding, and talking with the lower lip."""
    rng = np.random.default_rng(3)
    at = {"lid_left": (-30, 0), "lid_right": (30, 0), "nose": (0, 40), "lip_lower": (0, 70), "lip_upper": (0, 60)}
    shape = np.zeros((216, 2))
    for name, where in SLICES.items():
        place = next((xy for part, xy in at.items() if name.startswith(part)), (0, 20))
        shape[where] = place + rng.normal(0, 3, (where.stop - where.start, 2))
    times = np.arange(100)[:, None, None] / 25
    points = np.repeat(shape[None], 100, axis=0) + 300
    points += 6 * np.sin(2 * np.pi * times * (0.9, 1.3) + (0, 1))
    points[:, SLICES["lip_lower_outer"], 1] += 8 * np.abs(np.sin(2 * np.pi * 1.7 * times[:, :, 0]))
    return points.astype(np.float32)


def motion(points: np.ndarray) -> np.ndarray:
    return np.frombuffer(face_motion(points.astype(np.float32)), np.int8).reshape(-1, 4).astype(int)


def test_movement_is_four_bytes_a_frame_and_bounded(face):
    assert [len(face_motion(face[:frames])) for frames in (1, 2, 25, 100)] == [4, 8, 100, 400]
    assert motion(face)[:, :3].std(axis=0) == pytest.approx(25, abs=2)


@pytest.mark.parametrize(
    "change", [lambda points: points * 0.4, lambda points: points + 57, lambda points: points * 3 - 200]
)
def test_movement_does_not_depend_on_size_and_place(face, change):
    assert np.abs(motion(change(face)) - motion(face)).max() <= 1


def test_mirrored_face_moves_the_other_way_sideways_and_no_other_way(face):
    mirrored = face[:, MIRRORED] * (-1, 1) + (640, 0)
    assert np.abs(motion(mirrored) - motion(face) * (1, 1, -1, 1)).max() <= 1


def test_still_face_does_not_move_by_the_noise_of_its_landmarks(face):
    still = np.repeat(face[:1], 100, axis=0) + np.random.default_rng(0).normal(0, 0.2, face.shape)
    assert np.abs(motion(still)).mean() < 5
