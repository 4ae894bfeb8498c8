import numpy as np
import pyarrow as pa
import pytest
from scipy.ndimage import gaussian_filter1d

from heterodub.tasks.releases import near_duplicates
from heterodub.tasks.releases.near_duplicates import find_near_copies


def _clips(pictures, sounds, frames=None, media=None, motion=None, pairing=9.0):
    count = len(pictures)
    return pa.table(
        {
            "clip_id": [f"c{n:06d}" for n in range(count)],
            "media_id": media or [f"m{n}" for n in range(count)],
            "frames": pa.array(frames if frames is not None else [100] * count, pa.int64()),
            "picture_hash": pa.array(pictures, pa.binary()),
            "sound_hash": pa.array(sounds, pa.binary()),
            "face_motion": pa.array(motion or [b""] * count, pa.binary()),
            "av_sync_score": pa.array([pairing] * count, pa.float64()),
        }
    )


def _movement(chance, frames=120):
    """Return face signals like real ones: short-memory noise, 25 steps a standard deviation."""
    noise = gaussian_filter1d(chance.normal(size=(frames, 4)), 2, axis=0)
    return noise / noise.std(axis=0)


def _track(movement):
    return np.clip(np.rint(movement * 25), -127, 127).astype(np.int8).tobytes()


def _picture(chance):
    return chance.bytes(40)


def _flip(data, bits):
    array = bytearray(data)
    for bit in bits:
        array[bit // 8] ^= 1 << (bit % 8)
    return bytes(array)


def _noisy(chance, data, rate):
    return _flip(data, np.flatnonzero(chance.random(len(data) * 8) < rate))


def _spread(chance, per_hash):
    return [64 * n + bit for n in range(5) for bit in chance.choice(64, per_hash, replace=False)]


@pytest.fixture
def chance():
    return np.random.default_rng(5)


def test_no_clips_give_no_pairs():
    result = find_near_copies(_clips([], []))
    assert result.near_copy_of == {} and len(result.pairs) == 0


def test_strangers_do_not_match(chance):
    clips = _clips([_picture(chance) for _ in range(500)], [chance.bytes(400) for _ in range(500)])
    assert find_near_copies(clips).near_copy_of == {}


@pytest.mark.parametrize("bits, least", [(0, 40), (3, 40), (5, 39), (6, 0)])
def test_pictures_match_up_to_five_bits_a_hash(chance, bits, least):
    """With five in each hash, no piece of 16 bits is whole once in a thousand times."""
    one = [_picture(chance) for _ in range(40)]
    two = [_flip(picture, _spread(chance, bits)) for picture in one]
    result = find_near_copies(_clips(one + two, [b""] * 80))
    expected = {f"c{n + 40:06d}": f"c{n:06d}" for n in range(40)} if least else {}
    assert result.same_scene_as.items() <= expected.items() and len(result.same_scene_as) >= least
    assert result.pairs["picture"].all() and not result.pairs["sound"].any()


def test_one_hash_may_not_differ_by_more_than_ten_bits(chance):
    one = _picture(chance)
    assert find_near_copies(_clips([one, _flip(one, range(10))], [b""] * 2)).same_scene_as
    assert not find_near_copies(_clips([one, _flip(one, range(11))], [b""] * 2)).same_scene_as


def test_lengths_must_be_similar(chance):
    one = _picture(chance)
    assert find_near_copies(_clips([one, one], [b""] * 2, [100, 109])).same_scene_as
    assert not find_near_copies(_clips([one, one], [b""] * 2, [100, 120])).same_scene_as


@pytest.mark.parametrize("flat", [bytes(40), b"\xff" * 40, bytes(8) + b"abcdefgh" * 4, b"", b"short"])
def test_flat_and_missing_pictures_match_nothing(flat):
    assert find_near_copies(_clips([flat] * 3, [b""] * 3)).same_scene_as == {}


def test_clips_of_one_file_are_not_compared(chance):
    one = _picture(chance)
    assert find_near_copies(_clips([one] * 3, [b""] * 3, media=["m", "m", "m"])).same_scene_as == {}


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("shift", [-10, 0, 7, 60])
def test_sounds_match_through_noise_and_shift(chance, rate, shift):
    streams = [chance.bytes(4 * 200) for _ in range(30)]
    one = [stream[4 * 20 : 4 * 120] for stream in streams]
    two = [_noisy(chance, stream[4 * (20 + shift) : 4 * (120 + shift)], rate) for stream in streams]
    result = find_near_copies(_clips([b""] * 60, one + two))
    assert result.near_copy_of == {f"c{n + 30:06d}": f"c{n:06d}" for n in range(30)}
    assert result.pairs["sound"].all() and not result.pairs["picture"].any()


def test_sounds_shifted_further_or_too_different_do_not_match(chance):
    stream = chance.bytes(4 * 400)
    far = _clips([b""] * 2, [stream[: 4 * 250], stream[4 * 130 : 4 * 380]])
    assert find_near_copies(far).near_copy_of == {}
    # A shared second in eight is a key that matches, and not yet a copy.
    part = _clips([b""] * 2, [stream[: 4 * 200], stream[: 4 * 25] + chance.bytes(4 * 175)])
    assert find_near_copies(part).near_copy_of == {}


def test_short_sound_and_silence_match_nothing(chance):
    short = chance.bytes(4 * 24)
    quiet = bytes(4 * 200)
    assert find_near_copies(_clips([b""] * 4, [short, short, quiet, quiet])).near_copy_of == {}


def test_chain_points_at_its_smallest_clip(chance):
    one = _picture(chance)
    two = _flip(one, _spread(chance, 4))
    three = _flip(two, _spread(chance, 4))
    rows = _clips([three, one, two], [b""] * 3)
    expected = {"c000001": "c000000", "c000002": "c000000"}
    assert find_near_copies(rows).same_scene_as == expected
    assert find_near_copies(rows.take([2, 0, 1])).same_scene_as == expected


@pytest.fixture
def compared(monkeypatch):
    """The number of pairs in each comparison that a search makes of pictures and of sounds."""
    pictures, sounds = [], []
    near, same = near_duplicates.similar_pictures, near_duplicates.same_sound
    monkeypatch.setattr(
        near_duplicates, "similar_pictures", lambda one, other: pictures.append(len(one)) or near(one, other)
    )
    monkeypatch.setattr(near_duplicates, "same_sound", lambda *given: sounds.append(len(given[2])) or same(*given))
    return pictures, sounds


def test_huge_cluster_is_one_cluster_after_few_comparisons_of_each_clip(chance, compared):
    """Each clip is like each other one: all pairs would be 1000 comparisons of each clip."""
    base = _picture(chance)
    pictures = [_flip(base, _spread(chance, 1)) for _ in range(1000)] + [base] * 1000
    result = find_near_copies(_clips(pictures, [b""] * 2000))
    assert set(result.same_scene_as.values()) == {"c000000"} and len(result.same_scene_as) == 1999
    assert 1999 <= sum(compared[0]) < 40 * 2000


@pytest.mark.parametrize("change", ["none", "mirrored", "noisy", "trimmed", "longer"])
def test_faces_that_move_alike_are_copies(chance, change):
    movements = [_movement(chance, 150) for _ in range(60)]
    made = {
        "none": lambda one: one,
        "mirrored": lambda one: one * (1, 1, -1, 1),
        "noisy": lambda one: one + 0.3 * chance.normal(size=one.shape),
        "trimmed": lambda one: one[30:140],
        "longer": lambda one: np.concatenate([_movement(chance, 70), one]),
    }[change]
    tracks = [_track(one) for one in movements] + [_track(made(one)) for one in movements]
    result = find_near_copies(_clips([b""] * 120, [b""] * 120, motion=tracks))
    assert result.near_copy_of == {f"c{n + 60:06d}": f"c{n:06d}" for n in range(60)}
    assert result.pairs["motion"].all() and result.pairs["copy"].all() and result.same_scene_as == result.near_copy_of


def test_other_sentences_in_the_same_chair_share_the_scene_and_are_no_copies(chance):
    picture = _picture(chance)
    tracks = [_track(_movement(chance)) for _ in range(200)]
    result = find_near_copies(_clips([picture] * 200, [chance.bytes(400) for _ in range(200)], motion=tracks))
    assert result.near_copy_of == {}
    assert set(result.same_scene_as.values()) == {"c000000"} and len(result.same_scene_as) == 199


def test_still_or_short_clips_are_no_copies_by_movement(chance):
    one = _movement(chance)
    still, short = [_track(0.15 * one)] * 2, [_track(one[:49])] * 2
    for tracks in (still, short, [bytes(400)] * 2, [b"", b""]):
        assert find_near_copies(_clips([b""] * 2, [b""] * 2, motion=tracks)).near_copy_of == {}
    assert find_near_copies(_clips([b""] * 2, [b""] * 2, motion=[_track(one[:60])] * 2)).near_copy_of


@pytest.mark.parametrize(
    ("pairing", "same_picture", "moves", "copy"),
    [
        (9.0, False, "alike", True),  # by movement already
        (9.0, False, "still", True),  # cropped or mirrored, its movement lost
        (9.0, False, "against", False),  # one's sound was put under the other
        (0.5, False, "still", False),  # music under two films
        (0.5, True, "still", True),  # a bad copy in the same picture
        (0.5, True, "against", False),  # the same chair, the sound of another take
        (None, False, "still", False),
    ],
)
def test_equal_sound_is_a_copy_where_it_is_the_recording_s(chance, pairing, same_picture, moves, copy):
    sound, one, other = chance.bytes(400), _movement(chance, 100), _movement(chance, 100)
    tracks = {"alike": [one, one], "still": [one, 0 * one], "against": [one, other]}[moves]
    pictures = [_picture(chance)] * 2 if same_picture else [_picture(chance), _picture(chance)]
    clips = _clips(pictures, [sound] * 2, motion=[_track(track) for track in tracks], pairing=pairing)
    result = find_near_copies(clips)
    assert bool(result.near_copy_of) is copy
    assert result.same_scene_as == {"c000001": "c000000"}  # kept in one split either way


@pytest.mark.long
@pytest.mark.slow
def test_hundred_thousand_clips_need_few_comparisons_of_each(chance, compared):
    count, copies = 100_000, 1000
    pictures = [_picture(chance) for _ in range(count - copies)]
    pictures += [_flip(pictures[n], _spread(chance, 3)) for n in range(copies)]
    sounds = [chance.bytes(4 * 40) for _ in range(count - copies)]
    sounds += [_noisy(chance, sounds[n + copies], 0.05) for n in range(copies)]
    clips = _clips(pictures, sounds)
    result = find_near_copies(clips)
    by = result.pairs.set_index(["a", "b"])
    assert by["picture"].sum() >= 0.99 * copies
    assert by["sound"].sum() >= 0.99 * copies
    assert len(by) <= 2 * copies
    looked_at, listened_to = map(sum, compared)
    assert copies <= looked_at < 100 * count  # 26 for each, of the 50,000 that there are
    assert copies <= listened_to < 2 * copies
