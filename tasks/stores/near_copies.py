"""Finds clips that nearly equal each other: by perceptual hashes of the picture, by fingerprint of the sound.

Both searches cut the hashes into keys, compare only clips that share a key (locality-sensitive hashing), and then
check each candidate against the real distance. Clips of one media are never compared: they have one speaker anyway.

Legend: N clips, K keys, C candidate pairs, T sub-fingerprints of a clip.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

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
_PAIRS_PER_CLIP: Final = 8
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
    """For each clip the smallest clip of its cluster."""
    edges = coo_matrix((np.ones(len(a), bool), (a, b)), (count, count))
    label = connected_components(edges, directed=False)[1]
    _, first = np.unique(label, return_index=True)
    return np.asarray(first[label], np.int64)


def _picture_pairs(rows: pa.Table, media: Ints) -> Ints:
    frames = rows["frames"].to_numpy()
    hashes_NH, usable = _picture_words(rows["picture_hash"].to_pylist())
    owners = np.flatnonzero(usable)
    found = _Found(len(rows))
    for turned, key_bits in _bands(hashes_NH[owners]):
        for one, two in found.fresh(_candidates(turned, 64 - key_bits, owners)):
            apart = media[one] != media[two]
            one, two = one[apart], two[apart]
            bits_CH = np.bitwise_count(hashes_NH[one] ^ hashes_NH[two])
            near = (bits_CH.sum(axis=1) <= MAX_MEAN_BITS * HASHES) & (bits_CH.max(axis=1) <= MAX_BITS)
            near &= _similar_length(frames[one], frames[two])
            found.add(one[near], two[near])
        found.settle()
    return found.pairs()


def _bands(hashes_NH: Words) -> Iterator[tuple[Words, int]]:
    """The hashes, each turned so that another piece of it leads, and how many leading bits are the key.

    A copy differs in 25 of 320 bits at most. Of thirty 10-bit pieces five at least are untouched by that; larger
    collections need longer pieces to keep buckets small, and of twenty 16-bit pieces one is, all but surely.
    """
    width = int(np.clip(np.ceil(np.log2(max(len(hashes_NH), 1) / 8)), 10, 16))
    for number in range(HASHES):
        for start in range(0, 64 - width + 1, width):
            word = hashes_NH[:, number]
            yield np.bitwise_or(word << np.uint64(start), word >> np.uint64((64 - start) % 64)), width


class _Found:
    """Pairs found so far, each once: a pair is found again in many bands."""

    def __init__(self, clips: int) -> None:
        self._clips = clips
        self._coded = np.empty(0, np.int64)
        self._new: list[Ints] = []
        self._cluster: Ints | None = None

    def fresh(self, candidates: Iterable[Ints]) -> Iterator[tuple[Ints, Ints]]:
        """The candidates; once pairs outnumber clips by far, only those that would still join two clusters.

        Thousands of near equal clips (a camera that never moves) have millions of pairs, and some of each are enough.
        """
        for pairs_C2 in candidates:
            one, two = pairs_C2[:, 0], pairs_C2[:, 1]
            if self._cluster is not None:
                apart = self._cluster[one] != self._cluster[two]
                one, two = one[apart], two[apart]
            yield one, two

    def add(self, one: Ints, two: Ints) -> None:
        self._new.append((one << 32) | two)

    def settle(self) -> None:
        """Merge what was added; call it once per band, since it sorts."""
        self._coded = np.unique(np.concatenate([self._coded, *self._new]))
        self._new = []
        if len(self._coded) > _PAIRS_PER_CLIP * self._clips:
            one, two = self.pairs().T
            self._cluster = _firsts(one, two, self._clips)

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
    found = _Found(len(rows))
    for candidates_C3 in _sound_candidates(words, owners, places, media):
        for start in range(0, len(candidates_C3), _CHUNK):
            one, two, shift = candidates_C3[start : start + _CHUNK].T
            near = _same_sound(words, starts, lengths, one, two, shift)
            found.add(one[near], two[near])
    found.settle()
    return found.pairs()


def _sound_candidates(words: npt.NDArray[np.uint32], owners: Ints, places: Ints, media: Ints) -> Iterator[Ints]:
    """Pairs with the shift at which a key is shared: (first, second, place in first - place in second)."""
    audible = np.flatnonzero(_audible(words))
    width = _key_bits(len(audible))
    bins = 2 * MAX_SHIFT + 4
    heard = words[audible].astype(np.uint64)
    rest_bits = 32 - width
    for turned in (heard, _swapped(heard, width)) if rest_bits else (heard,):
        piece, rest = turned >> np.uint64(rest_bits), turned & np.uint64((1 << rest_bits) - 1)
        for offset in (0, bins // 2):  # two places up to MAX_SHIFT apart share a bin in one of the two
            times = ((places[audible] + offset) // bins).astype(np.uint64) & np.uint64(0xFFFF)
            packed = (piece << np.uint64(16) | times) << np.uint64(rest_bits) | rest
            for hits_C2 in _candidates(packed, rest_bits, audible):
                one, two = owners[hits_C2[:, 0]], owners[hits_C2[:, 1]]
                shift = places[hits_C2[:, 0]] - places[hits_C2[:, 1]]
                kept = (media[one] != media[two]) & (np.abs(shift) <= MAX_SHIFT)
                yield np.unique(np.stack([one[kept], two[kept], shift[kept]], axis=1), axis=0)


def _swapped(heard: Words, width: int) -> Words:
    """32-bit words turned so that their last `width` bits lead."""
    return np.asarray((heard << np.uint64(32 - width)) & np.uint64(0xFFFFFFFF) | heard >> np.uint64(width))


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


def _candidates(words: Words, rest_bits: int, members: Ints) -> Iterator[Ints]:
    """Pairs (smaller, larger member) whose words share all but the last bits, at most _NEIGHBOURS for each.

    The words' last bits put the likeliest partners of a large bucket side by side.
    """
    order = np.argsort(words, kind="stable")
    keys, members = words[order] >> np.uint64(rest_bits), members[order]
    here = np.arange(len(keys))
    for distance in range(1, _NEIGHBOURS + 1):
        here = here[here + distance < len(keys)]
        here = here[keys[here] == keys[here + distance]]
        if not len(here):
            return
        one, two = members[here], members[here + distance]
        yield np.stack([np.minimum(one, two), np.maximum(one, two)], axis=1)
