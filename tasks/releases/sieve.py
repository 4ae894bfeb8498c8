"""Sieve of stored clips: most share no key with a new clip, or one by chance, and are let go before anything else of
them is looked at.

What it keeps depends on the fingerprints alone, so clips are sieved on several cores at once, and a search among those
that are kept finds what a search among all would find.

Legend: N clips.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from heterodub.model.features.arrays import Flags
from heterodub.schemas.config.cores import usable_cores

from .fingerprints import Fingerprints, picture_keys, picture_words, similar_length, similar_pictures
from .hash_search import AnyInts, Ints, KeyIndex, Keys
from .recordings import MIN_MOTION_FRAMES, MIN_SOUND_FRAMES, Movement, same_motion, sound_streams
from .streams import ROTATIONS, Streams, shared

_CLIPS: Final = 4_096
"""Clips at a time, so that their words stay in the processor's cache."""
_PAIRS_PER_KEY: Final = 8
_FEW_PAIRS: Final = 1 << 14
"""Pairs of equal keys, beside those per key, that are looked at one by one; where thousands of clips are nearly equal
there are more, and all of them are kept."""
_MOST_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class KeySieve:
    """Fingerprints of new clips with the indexes of their keys: of pictures, and of sound and movement by rotation."""

    new: Fingerprints
    pictures: Sequence[KeyIndex]
    sound: Sequence[KeyIndex]
    motion: Sequence[KeyIndex]

    def kept(self, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield of each piece, rows with COLUMNS, those that may match a new clip. Some pieces are read ahead."""
        threads = min(usable_cores(), _MOST_THREADS)
        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[tuple[pa.Table, Future[Flags]]] = deque()
            for piece in pieces:
                ahead.append((piece, pool.submit(self.keeps, piece)))
                if len(ahead) > threads:
                    yield _filtered(*ahead.popleft())
            while ahead:
                yield _filtered(*ahead.popleft())

    def keeps(self, rows: pa.Table) -> Flags:
        """Return True for the rows, (N,), that may match a new clip."""
        starts = range(0, rows.num_rows, _CLIPS)
        return np.concatenate([np.empty(0, np.bool_), *(self._keeps(rows.slice(start, _CLIPS)) for start in starts)])

    def _keeps(self, rows: pa.Table) -> Flags:
        keeps = np.zeros(rows.num_rows, np.bool_)
        movement, own = Movement(rows["face_motion"]), self.new.movement
        for clips in (
            *self._by_pictures(rows),
            *_by_words(self.new.sound, self.sound, sound_streams(rows["sound_hash"]), MIN_SOUND_FRAMES),
            *_by_words(
                own.streams, self.motion, movement.streams, MIN_MOTION_FRAMES, partial(same_motion, own, movement)
            ),
        ):
            keeps[clips] = True
        return keeps

    def _by_pictures(self, rows: pa.Table) -> Iterator[AnyInts]:
        hashes_NH, is_usable = picture_words(rows["picture_hash"])
        frames, new = rows["frames"].to_numpy(), self.new
        for index, keys in zip(self.pictures, picture_keys(hashes_NH, is_usable), strict=True):
            some = keys.at(index.likely(keys.key))
            pairs = _pairs(index, some)
            if pairs is None:
                yield some.clip
                continue
            left, right = index.entries.clip[pairs[0]], some.clip[pairs[1]]
            near = similar_pictures(new.hashes_NH[left], hashes_NH[right])
            yield right[near & similar_length(new.frames[left], frames[right])]


def _by_words(
    own: Streams,
    indexes: Sequence[KeyIndex],
    others: Streams,
    frames: int,
    check: Callable[[AnyInts, AnyInts, Ints], Flags] | None = None,
) -> Iterator[AnyInts]:
    """Yield the clips that share words with a new one. check: of pairs so shifted, where chance leaves many."""
    for turn, index in zip(ROTATIONS, indexes, strict=True):
        some = others.keys(turn, index)
        pairs = _pairs(index, some)
        if pairs is None:
            yield some.clip
            continue
        left, right, shift = shared(own, others, index.entries.at(pairs[0]), some.at(pairs[1]), frames)
        yield right if check is None else right[check(left, right, shift)]


def _pairs(index: KeyIndex, keys: Keys) -> tuple[AnyInts, AnyInts] | None:
    return index.pairs(keys, _PAIRS_PER_KEY * len(keys.key) + _FEW_PAIRS)


def _filtered(rows: pa.Table, keeps: Future[Flags]) -> pa.Table:
    return rows.filter(pa.array(keeps.result()))
