"""The sieve keeps every clip that a search among all would find, and few others."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.ndimage import gaussian_filter1d

from heterodub.tasks.releases import sieve
from heterodub.tasks.releases.fingerprints import Fingerprints
from heterodub.tasks.releases.near_duplicates import CopySearch
from heterodub.tasks.releases.recordings import motion_words
from tests.tasks.stores import sample_rows as sample

_FRAMES = 100


def _rows(pictures: list[bytes], sounds: list[bytes], tracks: list[bytes], first: int) -> pa.Table:
    rows = [
        sample.clip_row(first + number, picture_hash=picture, sound_hash=sound, face_motion=track, frames=_FRAMES)
        for number, (picture, sound, track) in enumerate(zip(pictures, sounds, tracks, strict=True))
    ]
    return sample.clips(*rows)


def _strangers(chance: np.random.Generator, count: int, first: int) -> pa.Table:
    """Clips whose faces move smoothly, no two alike."""
    movement = gaussian_filter1d(chance.standard_normal((count, _FRAMES, 4)), 2, axis=1)
    tracks = np.clip(np.rint(25 * movement / movement.std()), -127, 127).astype(np.int8)
    return _rows(
        [chance.bytes(40) for _ in range(count)],
        [chance.bytes(4 * _FRAMES) for _ in range(count)],
        [track.tobytes() for track in tracks],
        first,
    )


def _with(rows: pa.Table, copies: pa.Table, column: str) -> pa.Table:
    """Rows of which the first ones have a column of others."""
    values = [*copies[column].to_pylist(), *rows[column].to_pylist()[len(copies) :]]
    return rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), [values])


def _found(new: pa.Table, old: pa.Table, through_sieve: bool) -> set[tuple[str, str]]:
    search = CopySearch(Fingerprints.of(new))
    if through_sieve:
        search.against_rows([old.slice(0, 150), old.slice(150)])
    else:
        search.against(Fingerprints.of(old))
    found = search.found.joined()
    return set(zip(found["new"], found["other"], strict=True))


@pytest.mark.parametrize("column", ["picture_hash", "sound_hash", "face_motion"])
def test_search_through_a_sieve_finds_the_pairs_of_a_search_among_all(column, monkeypatch):
    monkeypatch.setattr(sieve, "_CLIPS", 70)
    chance = np.random.default_rng(3)
    new = _strangers(chance, 60, 0)
    old = _with(_strangers(chance, 400, 1000), new.slice(0, 25), column)
    found = _found(new, old, True)
    assert found == _found(new, old, False)
    assert {(sample.clip_id(n), sample.clip_id(1000 + n)) for n in range(25)} <= found


def test_sieve_lets_strangers_go():
    chance = np.random.default_rng(4)
    search, old = CopySearch(Fingerprints.of(_strangers(chance, 300, 0))), _strangers(chance, 600, 1000)
    kept = [*search.sieve().kept([old, old.slice(0, 0)])]
    assert len(kept) == 2 and kept[0].num_rows < 6


def test_sieve_keeps_all_where_too_many_clips_are_alike_to_look_at_each_pair(monkeypatch):
    monkeypatch.setattr(sieve, "_FEW_PAIRS", 10)
    chance = np.random.default_rng(5)
    one, nothing = chance.bytes(40), [b""] * 30
    new, old = (_rows([one] * 30, nothing, nothing, first) for first in (0, 1000))
    assert CopySearch(Fingerprints.of(new)).sieve().keeps(old).all()
    assert _found(new, old, True) == _found(new, old, False) != set()


def test_motion_word_is_the_signs_of_eight_moments():
    """Bits by the definition, one after the other, of clips too short for a word among them."""
    chance, lengths = np.random.default_rng(6), np.array([40, 3, 0, 60, 35, 36])
    track_TF = chance.integers(-9, 10, (lengths.sum(), 4)).astype(np.int8)
    expected, start = [], 0
    for length in lengths.tolist():
        for frame in range(start, start + length):
            word = 0
            for step in range(8):
                above = track_TF[min(frame + 5 * step, start + length - 1)] > 0
                half = track_TF[min(frame + (20 if step >= 4 else 0), start + length - 1)] > 0
                for number, bit in enumerate(above):
                    word = word << 1 | int(bit != half[2] if number == 2 else bit)
            expected.append(word if frame + 35 < start + length else 0)
        start += length
    np.testing.assert_array_equal(motion_words(track_TF, lengths), np.array(expected, np.uint32))
