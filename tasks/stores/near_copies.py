"""Finds clips that nearly equal each other: by perceptual hashes of the picture, by fingerprint of the sound.

Both searches cut the hashes into keys, compare only clips that share a key (locality-sensitive hashing), and then
check each candidate against the real distance. Clips of one media are never compared: they have one speaker anyway.

Legend: N clips, K keys, C candidate pairs, T sub-fingerprints of a clip.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

HASHES: Final = 5
"""Perceptual hashes per clip, of 64 bits each."""
MAX_MEAN_BITS: Final = 5
MAX_BITS: Final = 10
MAX_LENGTH_RATIO: Final = 1.1
MAX_LENGTH_FRAMES: Final = 5
MAX_ERROR_RATE: Final = 0.30
"""Share of differing fingerprint bits below which two sounds are the same."""
MAX_SHIFT: Final = 10
"""Sub-fingerprints (40 ms each) by which two copies may be shifted."""
MIN_OVERLAP: Final = 25
"""Sub-fingerprints that must be heard in both: one second."""
_NEIGHBOURS: Final = 24
"""Members of a bucket that each member is compared with: bounds the work in buckets of any size. A bucket is in order
of the bits next to the key, so in a large one these are the likeliest, and a chain of them still joins a cluster."""
_CHUNK: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class NearCopies:
    """What was found. `pairs` has columns a, b (clip_ids, a < b), picture and sound (which of them match);
    `near_copy_of` maps each clip but the first of its cluster to the first, by order of clip_id.
    """

    pairs: pd.DataFrame
    near_copy_of: dict[str, str]


def find_near_copies(clips: pa.Table) -> NearCopies:
    """Near copies among clips with columns clip_id, media_id, frames, picture_hash and sound_hash.

    A picture matches when its five hashes differ by at most 5 bits on average and 10 at most, and the lengths by a
    tenth at most; a sound, when fewer than 30 % of the bits differ over one second or more, shifted by up to 0.4 s.
    Flat pictures (a hash of only zeros or ones) and silence match nothing. The result does not depend on the order
    of rows.
    """
    rows = clips.sort_by("clip_id")
    ids = np.array(rows["clip_id"].to_pylist(), dtype=object)
    media = pd.factorize(np.array(rows["media_id"].to_pylist(), dtype=object))[0]
    found = [
        _pairs(_picture_pairs(rows, media), "picture"),
        _pairs(_sound_pairs(rows, media), "sound"),
    ]
    pairs = pd.concat(found).groupby(["a", "b"], as_index=False)[["picture", "sound"]].any()
    firsts = _firsts(pairs["a"].to_numpy(), pairs["b"].to_numpy(), len(ids))
    copies = {str(ids[i]): str(ids[first]) for i, first in enumerate(firsts) if first != i}
    named = pairs.assign(a=ids[pairs["a"].to_numpy()], b=ids[pairs["b"].to_numpy()])
    return NearCopies(named, copies)


def _pairs(pairs_C2: Ints, kind: str) -> pd.DataFrame:
    flags = {name: np.full(len(pairs_C2), name == kind) for name in ("picture", "sound")}
    return pd.DataFrame({"a": pairs_C2[:, 0], "b": pairs_C2[:, 1], **flags})


def _firsts(a: Ints, b: Ints, count: int) -> Ints:
    """For each clip the smallest clip of its cluster: labels fall to the smaller neighbour until they rest."""
    label = np.arange(count)
    while len(a):
        low = np.minimum(label[a], label[b])
        before = label.copy()
        np.minimum.at(label, a, low)
        np.minimum.at(label, b, low)
        label = label[label]
        if np.array_equal(before, label):
            break
    return label


def _picture_pairs(rows: pa.Table, media: Ints) -> Ints:
    frames = rows["frames"].to_numpy()
    hashes_NH, usable = _picture_words(rows["picture_hash"].to_pylist())
    owners = np.flatnonzero(usable)
    found = _Found()
    for band in range(HASHES * 4):  # 25 differing bits of 320 leave one of twenty 16-bit pieces alone, all but surely
        word = hashes_NH[owners, band // 4]
        turned = np.bitwise_or(word << np.uint64(16 * (band % 4)), word >> np.uint64((64 - 16 * (band % 4)) % 64))
        for candidates_C2 in _candidates(turned >> np.uint64(48), turned, owners):
            one, two = candidates_C2[media[candidates_C2[:, 0]] != media[candidates_C2[:, 1]]].T
            bits_CH = np.bitwise_count(hashes_NH[one] ^ hashes_NH[two])
            near = (bits_CH.sum(axis=1) <= MAX_MEAN_BITS * HASHES) & (bits_CH.max(axis=1) <= MAX_BITS)
            near &= _similar_length(frames[one], frames[two])
            found.add(one[near], two[near])
    return found.pairs()


class _Found:
    """Pairs found so far, each once: a pair is found again in many bands."""

    def __init__(self) -> None:
        self._coded = np.empty(0, np.int64)

    def add(self, one: Ints, two: Ints) -> None:
        if len(one):
            self._coded = np.union1d(self._coded, (one << 32) | two)

    def pairs(self) -> Ints:
        return np.stack([self._coded >> 32, self._coded & 0xFFFFFFFF], axis=1)


def _picture_words(hashes: list[bytes]) -> tuple[Words, Flags]:
    whole = np.array([len(value) == HASHES * 8 for value in hashes], bool)
    packed = b"".join(value if len(value) == HASHES * 8 else bytes(HASHES * 8) for value in hashes)
    words_NH = np.frombuffer(packed, ">u8").astype(np.uint64).reshape(-1, HASHES)
    flat = (words_NH == 0) | (words_NH == np.uint64(2**64 - 1))
    return words_NH, whole & ~flat.any(axis=1)


def _similar_length(one: Ints, two: Ints) -> Flags:
    longer, shorter = np.maximum(one, two), np.minimum(one, two)
    return np.asarray((longer <= shorter * MAX_LENGTH_RATIO) | (longer - shorter <= MAX_LENGTH_FRAMES))


def _sound_pairs(rows: pa.Table, media: Ints) -> Ints:
    prints = [np.frombuffer(value[: len(value) // 4 * 4], ">u4") for value in rows["sound_hash"].to_pylist()]
    lengths = np.array([len(value) for value in prints], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    words = np.concatenate([np.empty(0, np.uint32), *prints]).astype(np.uint32)
    owners = np.repeat(np.arange(len(prints)), lengths)
    places = np.arange(len(words)) - starts[owners]
    found = _Found()
    for candidates_C3 in _sound_candidates(words, owners, places, media):
        for start in range(0, len(candidates_C3), _CHUNK):
            one, two, shift = candidates_C3[start : start + _CHUNK].T
            near = _same_sound(words, starts, lengths, one, two, shift)
            found.add(one[near], two[near])
    return found.pairs()


def _sound_candidates(words: npt.NDArray[np.uint32], owners: Ints, places: Ints, media: Ints) -> Iterator[Ints]:
    """Pairs with the shift at which a key is shared: (first, second, place in first - place in second)."""
    audible = np.flatnonzero(_audible(words))
    width = _key_bits(len(audible))
    bins = 2 * MAX_SHIFT + 4
    heard = words[audible].astype(np.uint64)
    for low in sorted({0, 32 - width}):
        piece = (heard >> np.uint64(low)) & np.uint64((1 << width) - 1)
        for offset in (0, bins // 2):  # two places up to MAX_SHIFT apart share a bin in one of the two
            times = ((places[audible] + offset) // bins).astype(np.uint64)
            for hits_C2 in _candidates(piece << np.uint64(24) | times, heard, audible):
                one, two = owners[hits_C2[:, 0]], owners[hits_C2[:, 1]]
                shift = places[hits_C2[:, 0]] - places[hits_C2[:, 1]]
                kept = (media[one] != media[two]) & (np.abs(shift) <= MAX_SHIFT)
                yield np.unique(np.stack([one[kept], two[kept], shift[kept]], axis=1), axis=0)


def _key_bits(count: int) -> int:
    """Bits of a key: as few as chance allows, since a short key survives more noise. About one chance hit a key."""
    return int(np.clip(np.ceil(np.log2(max(count, 1))), 16, 32))


def _audible(words: npt.NDArray[np.uint32]) -> Flags:
    return np.asarray((words != 0) & (words != np.uint32(0xFFFFFFFF)))


def _same_sound(words: npt.NDArray[np.uint32], starts: Ints, lengths: Ints, one: Ints, two: Ints, shift: Ints) -> Flags:
    if not len(one):
        return np.zeros(0, bool)
    from_one, from_two = np.maximum(shift, 0), np.maximum(-shift, 0)
    overlap = np.minimum(lengths[one] - from_one, lengths[two] - from_two)
    step_T = np.arange(max(int(overlap.max()), 1))
    inside_CT = step_T < overlap[:, None]
    last = len(words) - 1
    one_CT = words[np.minimum((starts[one] + from_one)[:, None] + step_T, last)]
    two_CT = words[np.minimum((starts[two] + from_two)[:, None] + step_T, last)]
    heard_CT = inside_CT & _audible(one_CT) & _audible(two_CT)
    wrong = np.where(heard_CT, np.bitwise_count(one_CT ^ two_CT), 0).sum(axis=1, dtype=np.int64)
    heard = heard_CT.sum(axis=1)
    return np.asarray((heard >= MIN_OVERLAP) & (wrong < MAX_ERROR_RATE * 32 * heard))


def _candidates(keys: Words, rest: Words, members: Ints) -> Iterator[Ints]:
    """Pairs (smaller, larger member) that share a key, each with at most _NEIGHBOURS followers in its bucket."""
    order = np.lexsort((members, rest, keys))
    keys, members = keys[order], members[order]
    here = np.arange(len(keys))
    for distance in range(1, _NEIGHBOURS + 1):
        here = here[here + distance < len(keys)]
        here = here[keys[here] == keys[here + distance]]
        if not len(here):
            return
        yield np.sort(np.stack([members[here], members[here + distance]], axis=1), axis=1)
