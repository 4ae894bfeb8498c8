"""Fingerprints by which clips are compared, as arrays.

Legend: N clips, H hashes of a clip.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.arrays import Flags
from heterodub.schemas.policy import OWN_SOUND_SCORE

from .hash_search import AnyInts, Ints, Keys, Words
from .recordings import Movement, sound_streams
from .streams import Streams

HASHES: Final = 5
"""Perceptual hashes per clip, of 64 bits each."""
PICTURE_KEY_BITS: Final = 16
"""A copy differs in 25 of 320 bits at most. Of twenty pieces of 16 bits one at least is untouched by that, all but
surely; shorter pieces would be shared by chance too often."""

MAX_MEAN_BITS: Final = 5
MAX_BITS: Final = 10
MAX_LENGTH_RATIO: Final = 1.1
MAX_LENGTH_FRAMES: Final = 5

COLUMNS: Final = ["clip_id", "media_id", "frames", "picture_hash", "sound_hash", "face_motion", "av_sync_score"]
"""Columns of `clips` that a comparison needs."""


@dataclass(slots=True)
class Fingerprints:
    """All that clips are compared by. `clusters` are hashes of the clusters' names, or of their parts'."""

    ids: pa.Array
    media_id: pa.Array
    names: dict[str, pa.Array]
    media: Words
    clusters: dict[str, Words]
    frames: Ints
    hashes_NH: Words
    is_usable: Flags
    is_synced: Flags
    sound: Streams
    movement: Movement

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Those of rows with COLUMNS; where clusters are known, also with near_copy_of, same_scene_as and part."""
        ids, media_id = (flat(rows[name]) for name in ("clip_id", "media_id"))
        names = {"scene": _named(rows, "same_scene_as"), "copy": _named(rows, "near_copy_of")}
        hashes_NH, is_usable = picture_words(rows["picture_hash"])
        return cls(
            ids,
            media_id,
            names,
            hashed(media_id),
            {kind: hashed(_part(rows, name)) for kind, name in names.items()},
            rows["frames"].to_numpy(),
            hashes_NH,
            is_usable,
            rows["av_sync_score"].fill_null(-np.inf).to_numpy() >= OWN_SOUND_SCORE,
            sound_streams(rows["sound_hash"]),
            Movement(rows["face_motion"]),
        )

    def picture_keys(self) -> Iterator[Keys]:
        """Yield a key of each clip with usable pictures, one piece of its hashes after the other."""
        return picture_keys(self.hashes_NH, self.is_usable)


def picture_keys(hashes_NH: Words, is_usable: Flags) -> Iterator[Keys]:
    """Yield a key of each clip with usable pictures: the hashes, rotated so that another piece leads each time."""
    clip = np.flatnonzero(is_usable).astype(np.int32)
    for number in range(HASHES):
        word = hashes_NH[clip, number]
        for start in range(0, 64, PICTURE_KEY_BITS):
            turned = word << np.uint64(start) | word >> np.uint64((64 - start) % 64)
            yield Keys(turned, clip, np.zeros(len(clip), np.int32))


def flat(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _named(rows: pa.Table, column: str) -> pa.Array:
    ids = flat(rows["clip_id"])
    return pc.coalesce(flat(rows[column]), ids) if column in rows.column_names else ids


def _part(rows: pa.Table, names: pa.Array) -> pa.Array:
    """Return names of the parts of clusters, each of which is compared."""
    return pc.binary_join_element_wise(names, flat(rows["part"]), "/") if "part" in rows.column_names else names


def hashed(texts: pa.Array) -> Words:
    """Return a number of 64 bits for each text."""
    return np.asarray(pd.util.hash_array(texts.to_numpy(zero_copy_only=False), categorize=False), np.uint64)


def picture_words(column: pa.ChunkedArray) -> tuple[Words, Flags]:
    """Return the hashes (N, H), and which clips have usable ones: not of flat pictures (all zeros or ones)."""
    is_whole = pc.equal(pc.binary_length(column), HASHES * 8).to_numpy()
    packed = b"".join(pc.if_else(is_whole, column, bytes(HASHES * 8)).to_pylist())
    words_NH = np.frombuffer(packed, ">u8").astype(np.uint64).reshape(-1, HASHES)
    is_flat = (words_NH == 0) | (words_NH == np.uint64(2**64 - 1))
    return words_NH, is_whole & ~is_flat.any(axis=1)


def similar_pictures(left_CH: Words, right_CH: Words) -> Flags:
    """Return True for pairs whose hashes differ by at most 5 bits on average, and 10 at most."""
    bits_CH = np.bitwise_count(left_CH ^ right_CH)
    return np.asarray((bits_CH.sum(axis=1) <= MAX_MEAN_BITS * HASHES) & (bits_CH.max(axis=1, initial=0) <= MAX_BITS))


def similar_length(left: AnyInts, right: AnyInts) -> Flags:
    """Return True for pairs of numbers of frames that differ by a tenth at most, or by 5."""
    longer, shorter = np.maximum(left, right), np.minimum(left, right)
    return np.asarray((longer <= shorter * MAX_LENGTH_RATIO) | (longer - shorter <= MAX_LENGTH_FRAMES))
