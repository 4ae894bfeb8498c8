"""Detection of clips of one scene: the same room, people and light, at the same places of the clip, whatever is said.

Five perceptual hashes of whole pictures show no more than that: one talker in one chair looks alike in every sentence.

Legend: N clips, H hashes of a clip, C candidate pairs.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from model.features.arrays import Flags

from .hash_search import Ints, PairSet, Words, bucket_pairs

HASHES: Final = 5
"""Perceptual hashes per clip, of 64 bits each."""
MAX_MEAN_BITS: Final = 5
MAX_BITS: Final = 10
MAX_LENGTH_RATIO: Final = 1.1
MAX_LENGTH_FRAMES: Final = 5


def scene_pairs(rows: pa.Table, media: Ints) -> Ints:
    """Find pairs (C, 2) of clips of different media whose five hashes differ by at most 5 bits on average and 10 at
    most, and whose lengths by a tenth at most. rows: columns frames and picture_hash; media: a number for each.
    """
    frames = rows["frames"].to_numpy()
    hashes_NH, usable = _picture_words(rows["picture_hash"].to_pylist())
    owners = np.flatnonzero(usable)
    pairs = PairSet(len(rows))
    for turned, key_bits in _bands(hashes_NH[owners]):
        for one, two in pairs.fresh(bucket_pairs(turned, 64 - key_bits, owners)):
            apart = media[one] != media[two]
            one, two = one[apart], two[apart]
            near = _near(hashes_NH, one, two) & _similar_length(frames[one], frames[two])
            pairs.add(one[near], two[near])
        pairs.merge()
    return pairs.pairs()


def _bands(hashes_NH: Words) -> Iterator[tuple[Words, int]]:
    """Yield the hashes, each rotated so that another piece of it leads, and how many leading bits are the key.

    A copy differs in 25 of 320 bits at most. Of thirty 10-bit pieces five at least are untouched by that; larger
    collections need longer pieces to keep buckets small, and of twenty 16-bit pieces one is, all but surely.
    """
    width = int(np.clip(np.ceil(np.log2(max(len(hashes_NH), 1) / 8)), 10, 16))
    for number in range(HASHES):
        for start in range(0, 64 - width + 1, width):
            word = hashes_NH[:, number]
            yield np.bitwise_or(word << np.uint64(start), word >> np.uint64((64 - start) % 64)), width


def _picture_words(hashes: list[bytes]) -> tuple[Words, Flags]:
    whole = np.array([len(value) == HASHES * 8 for value in hashes], bool)
    packed = b"".join(value if len(value) == HASHES * 8 else bytes(HASHES * 8) for value in hashes)
    words_NH = np.frombuffer(packed, ">u8").astype(np.uint64).reshape(-1, HASHES)
    flat = (words_NH == 0) | (words_NH == np.uint64(2**64 - 1))
    return words_NH, whole & ~flat.any(axis=1)


def _similar_length(one: Ints, two: Ints) -> Flags:
    longer, shorter = np.maximum(one, two), np.minimum(one, two)
    return np.asarray((longer <= shorter * MAX_LENGTH_RATIO) | (longer - shorter <= MAX_LENGTH_FRAMES))


def same_scene(hashes: list[bytes], one: Ints, two: Ints) -> Flags:
    """Mark pairs of clips, (C,) each, that show one scene; flat pictures (a hash of only zeros or ones) show none."""
    hashes_NH, usable = _picture_words(hashes)
    return np.asarray(_near(hashes_NH, one, two) & usable[one] & usable[two])


def _near(hashes_NH: Words, one: Ints, two: Ints) -> Flags:
    bits_CH = np.bitwise_count(hashes_NH[one] ^ hashes_NH[two])
    return np.asarray((bits_CH.sum(axis=1) <= MAX_MEAN_BITS * HASHES) & (bits_CH.max(axis=1) <= MAX_BITS))
