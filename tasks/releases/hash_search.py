"""Pairs among millions of hashes, without comparing each with each: locality-sensitive hashing.

Hashes are cut into keys, and only those that share a key are candidates; the caller checks each by the real
distance.

Legend: N clips, C candidate pairs, T words of a clip.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from heterodub.model.features.arrays import Flags

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
ShortWords = npt.NDArray[np.uint32]

MAX_SHIFT: Final = 125
"""Frames by which two copies may be shifted: half of the longest clip. Of a recording that was trimmed and cut into
clips anew, one clip in two neighbours is no further from its other."""
NEIGHBOURS: Final = 24
"""Members of a bucket that each member is compared with: bounds the work in buckets of any size. A bucket is in order
of the bits next to the key, so in a large one these are the likeliest, and a chain of them still joins a cluster."""
_PAIRS_PER_CLIP: Final = 8


def firsts(a: Ints, b: Ints, count: int) -> Ints:
    """Return for each clip the smallest clip of its cluster."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = coo_matrix((np.ones(len(a), bool), (a, b)), (count, count))
    label = connected_components(edges, directed=False)[1]
    _, first = np.unique(label, return_index=True)
    return np.asarray(first[label], np.int64)


class PairSet:
    """Pairs found so far, each once, since a pair is found again in many bands."""

    def __init__(self, clips: int) -> None:
        self._clips = clips
        self._coded = np.empty(0, np.int64)
        self._new: list[Ints] = []
        self._cluster: Ints | None = None

    def fresh(self, candidates: Iterable[Ints]) -> Iterator[tuple[Ints, Ints]]:
        """Yield the candidates; once pairs outnumber clips by far, only those that would still join two clusters.

        Thousands of near equal clips (a camera that never moves) have millions of pairs, and some of each are enough.
        """
        for pairs_C2 in candidates:
            left, right = pairs_C2[:, 0], pairs_C2[:, 1]
            if self._cluster is not None:
                apart = self._cluster[left] != self._cluster[right]
                left, right = left[apart], right[apart]
            yield left, right

    def add(self, left: Ints, right: Ints) -> None:
        """Add pairs; they count once `merge` is called."""
        self._new.append((left << 32) | right)

    def merge(self) -> None:
        """Merge what was added; call it once per band, since it sorts."""
        self._coded = np.unique(np.concatenate([self._coded, *self._new]))
        self._new = []
        if len(self._coded) > _PAIRS_PER_CLIP * self._clips:
            left, right = self.pairs().T
            self._cluster = firsts(left, right, self._clips)

    def pairs(self) -> Ints:
        """Return the pairs, (C, 2), smaller numbers first."""
        return np.stack([self._coded >> 32, self._coded & 0xFFFFFFFF], axis=1)


def bucket_pairs(words: Words, rest_bits: int, members: Ints) -> Iterator[Ints]:
    """Yield pairs (smaller, larger member) whose words share all but the last bits, at most NEIGHBOURS for each.

    The words' last bits put the likeliest partners of a large bucket side by side.
    """
    order = np.argsort(words, kind="stable")
    keys, members = words[order] >> np.uint64(rest_bits), members[order]
    here = np.arange(len(keys))
    for distance in range(1, NEIGHBOURS + 1):
        here = here[here + distance < len(keys)]
        here = here[keys[here] == keys[here + distance]]
        if not len(here):
            return
        left, right = members[here], members[here + distance]
        yield np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1)


class Streams:
    """Words of all clips in one row, one a frame: 0 and all ones carry no information, and are no keys."""

    def __init__(self, words: Iterable[ShortWords]) -> None:
        pieces = [np.empty(0, np.uint32), *words]
        self.lengths = np.array([len(piece) for piece in pieces[1:]], np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).astype(np.int64)
        self.words = np.concatenate(pieces).astype(np.uint32)
        self._owners = np.repeat(np.arange(len(self.lengths)), self.lengths)
        self._places = np.arange(len(self.words)) - self.starts[self._owners]

    def pairs(self, media: Ints) -> Iterator[Ints]:
        """Yield pairs of clips of different media with the shift at which a key is shared: (first, second, place in
        first - place in second), each (C, 3).
        """
        informative = np.flatnonzero(is_informative(self.words))
        width = _key_bits(len(informative))
        words = self.words[informative].astype(np.uint64)
        for turned in (words, _swapped(words, width)) if width < 32 else (words,):
            for hits_C2 in bucket_pairs(turned, 32 - width, informative):
                left, right = self._owners[hits_C2[:, 0]], self._owners[hits_C2[:, 1]]
                shift = self._places[hits_C2[:, 0]] - self._places[hits_C2[:, 1]]
                near = (media[left] != media[right]) & (np.abs(shift) <= MAX_SHIFT)
                yield np.unique(np.stack([left[near], right[near], shift[near]], axis=1), axis=0)

    def overlaps(self, left: Ints, right: Ints, shift: Ints) -> tuple[Ints, Ints, Flags]:
        """Overlap of each pair when so shifted: places of the words of both, (C, T), and which of them count."""
        from_left, from_right = np.maximum(shift, 0), np.maximum(-shift, 0)
        overlap = np.minimum(self.lengths[left] - from_left, self.lengths[right] - from_right)
        step_T = np.arange(max(int(overlap.max()), 1))
        last = max(len(self.words) - 1, 0)
        left_CT = np.minimum((self.starts[left] + from_left)[:, None] + step_T, last)
        right_CT = np.minimum((self.starts[right] + from_right)[:, None] + step_T, last)
        return left_CT, right_CT, step_T < overlap[:, None]


def is_informative(words: ShortWords) -> Flags:
    """Mark the words that carry information."""
    return np.asarray((words != 0) & (words != np.uint32(0xFFFFFFFF)))


def _swapped(words: Words, width: int) -> Words:
    """Rotate 32-bit words so that their last `width` bits lead."""
    return np.asarray((words << np.uint64(32 - width)) & np.uint64(0xFFFFFFFF) | words >> np.uint64(width))


def _key_bits(count: int) -> int:
    """Bits of a key: few, since a short key survives more noise; but so many that only one word in four collides."""
    return int(np.clip(np.ceil(np.log2(max(count, 1))) + 2, 16, 32))
