"""Pairs among millions of hashes, without comparing each with each: locality-sensitive hashing.

Hashes are cut into keys, and only those that share a key are candidates; the caller checks each by the real
distance. Which keys a clip has depends on the clip alone, so two clips are candidates or not whoever else is there, and
in whichever order they came.

Legend: N clips, C candidate pairs, K keys, T words of a clip.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.arrays import Flags

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
ShortWords = npt.NDArray[np.uint32]
AnyInts = npt.NDArray[np.signedinteger[Any]]
AnyWords = npt.NDArray[np.unsignedinteger[Any]]

NEIGHBOURS: Final = 24
"""Members of a bucket that each new member is compared with before clusters are looked at: in order of the bits next to
the key, so in a large bucket these are the likeliest. What they do not join is compared with all others."""
_FILTER_BITS: Final = 26
"""Leading bits of a key that are looked up; a bit for each value of these takes 8 MiB."""
_PIECE: Final = 1 << 20
"""Candidates at a time."""


def firsts(a: Ints, b: Ints, count: int) -> Ints:
    """Return for each clip the smallest clip of its cluster."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = coo_matrix((np.ones(len(a), bool), (a, b)), (count, count))
    label = connected_components(edges, directed=False)[1]
    _, first = np.unique(label, return_index=True)
    return np.asarray(first[label], np.int64)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of some clips: key (K,), its clip (K,), and its place in it (K,) where keys have one."""

    key: AnyWords
    clip: AnyInts
    place: AnyInts

    def at(self, chosen: Any) -> "Keys":
        """Return some of them."""
        return Keys(self.key[chosen], self.clip[chosen], self.place[chosen])


class KeyIndex:
    """Keys of the new clips, in order, with a table that tells quickly which other keys are not among them.

    rest: bits of each key that do not count, except for the order of what shares the others.
    """

    def __init__(self, keys: Keys, bits: int, rest: int = 0) -> None:
        self.entries = keys.at(np.argsort(keys.key, kind="stable"))
        self._rest, self._drop = rest, max(bits - _FILTER_BITS, 0)
        self._keys = self._leading(self.entries.key)
        self._distinct, self._first = np.unique(self._keys, return_index=True)
        self._is_there = _bits_at(self._looked_up(self._distinct), 1 << min(bits, _FILTER_BITS))

    def _leading(self, key: AnyWords) -> AnyWords:
        return key >> key.dtype.type(self._rest) if self._rest else key

    def _looked_up(self, leading: AnyWords) -> ShortWords:
        return (leading >> leading.dtype.type(self._drop) if self._drop else leading).astype(np.uint32, copy=False)

    def likely(self, key: AnyWords) -> Ints:
        """Return the places of the keys that the index may have; nearly all of the others are left out."""
        at = pa.array(self._looked_up(self._leading(key)))
        return np.asarray(pc.indices_nonzero(pc.take(self._is_there, at, boundscheck=False))).astype(np.int64)

    def pairs(self, others: Keys, most: int) -> tuple[Ints, Ints] | None:
        """Return all pairs (entry of the index, place in `others`) that share a key; None if there are more."""
        order = np.argsort(others.key, kind="stable")  # equal and near keys are found one after the other
        keys = self._leading(others.key[order])
        at = np.minimum(np.searchsorted(self._distinct, keys), max(len(self._distinct) - 1, 0))
        is_there = self._distinct[at] == keys if len(self._distinct) else np.zeros(len(keys), np.bool_)
        at, order = at[is_there], order[is_there]
        counts = np.append(self._first, len(self._keys))[at + 1] - self._first[at]
        if counts.sum() > most:
            return None
        other, entry = _spread(self._first[at], counts)
        return entry, order[other]

    def neighbours(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield pairs of entries that share a key, at most NEIGHBOURS for each."""
        here = np.arange(len(self._keys))
        for distance in range(1, NEIGHBOURS + 1):
            here = here[here + distance < len(self._keys)]
            here = here[self._keys[here] == self._keys[here + distance]]
            if not len(here):
                return
            yield here, here + distance

    def meet(self, others: Keys, cluster_N: Words, known: "Joined") -> Iterator[tuple[Ints, Ints]]:
        """Yield pairs (entry of the index, place in `others`) that share a key, as long as the entry's clip is not
        `known` to be joined to the other's cluster: of a cluster first one member, then ever more of those that are
        left. So a camera that never moves costs a look at each clip, not at each pair.
        """
        clusters = cluster_N[others.clip]
        order = np.lexsort((clusters, others.key))
        keys, clusters = self._leading(others.key[order]), clusters[order]
        starts = np.flatnonzero(np.concatenate([[True], (keys[1:] != keys[:-1]) | (clusters[1:] != clusters[:-1])]))
        starts = starts[: len(keys)]
        sizes = np.diff(np.append(starts, len(keys)))
        low, high = (np.searchsorted(self._keys, keys[starts], side) for side in ("left", "right"))
        for first, last in _slices(high - low):
            group, entry = _spread(low[first:last], (high - low)[first:last])
            yield from self._members(entry, group + first, starts, sizes, order, clusters, known)

    def _members(
        self, entry: Ints, group: Ints, starts: Ints, sizes: Ints, order: Ints, clusters: Words, known: "Joined"
    ) -> Iterator[tuple[Ints, Ints]]:
        done, step = 0, 1
        while len(entry):
            left = ~known.holds(self.entries.clip[entry], clusters[starts[group]])
            entry, group = entry[left], group[left]
            some = np.minimum(sizes[group] - done, step)
            for first, last in _slices(some):
                which, place = _spread(starts[group[first:last]] + done, some[first:last])
                yield entry[first:last][which], order[place]
            done, step = done + step, step * 8
            more = sizes[group] > done
            entry, group = entry[more], group[more]


def _bits_at(places: ShortWords, count: int) -> pa.Array:
    """Return so many flags, True at some places, given in order; what is not touched of them takes no memory."""
    packed = np.zeros(count // 8, np.uint8)
    if len(places):
        starts = np.flatnonzero(np.diff(places >> 3, prepend=places[:1] + np.uint32(8)))
        bits = np.left_shift(np.uint8(1), (places & 7).astype(np.uint8))
        packed[places[starts] >> 3] = np.bitwise_or.reduceat(bits, starts)
    return pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(packed)])


class Joined:
    """Pairs of a new clip and a cluster that are joined by now."""

    def __init__(self) -> None:
        self._runs: list[Words] = []

    def holds(self, clip: AnyInts, cluster: Words) -> Flags:
        """Return True for the pairs that are joined."""
        codes, joined = _code(clip, cluster), np.zeros(len(clip), bool)
        for run in self._runs:
            joined |= run[np.minimum(np.searchsorted(run, codes), len(run) - 1)] == codes
        return joined

    def add(self, clip: AnyInts, cluster: Words) -> None:
        """Add pairs."""
        run = np.unique(_code(clip, cluster))
        while self._runs and len(self._runs[-1]) < 2 * len(run):  # few runs, and each pair is sorted few times
            run = np.union1d(self._runs.pop(), run)
        if len(run):
            self._runs.append(run)


def _code(clip: AnyInts, cluster: Words) -> Words:
    """One number for a pair: clusters are hashes of 64 bits already, so no two pairs share one but by a miracle."""
    return np.asarray(cluster ^ (clip.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)))


def _spread(starts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Return for runs of so many places from these starts: number of the run, and place, of each."""
    run = np.repeat(np.arange(len(counts)), counts)
    return run, np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts) + starts[run]


def _slices(counts: Ints) -> Iterator[tuple[int, int]]:
    """Cut runs into slices of _PIECE places or little more, or of one run."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + _PIECE, "right")), first + 1)
        yield first, last
        first = last
