"""Detection of copies of a recording, and of clips of one scene.

A copy is a claim about a recording, so it must agree over time: takedowns, reports and people believe it. That two
clips share their scene or their sound is less: enough to keep them in one split, and no more. Five perceptual hashes of
whole pictures show no more than that: one talker in one chair looks alike in every sentence.

Legend: N clips, H hashes of a clip, C candidate pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from heterodub.model.features.arrays import Flags

from .hash_search import Ints, PairSet, Words, bucket_pairs, firsts
from .recordings import Movement, motion_pairs, sound_pairs

MIN_AV_SYNC: Final = 1.75
"""Sync score from which a sound counts as the face's own (docs/policy.md: 2 in 11 false pairs reach it)."""

HASHES: Final = 5
"""Perceptual hashes per clip, of 64 bits each."""
MAX_MEAN_BITS: Final = 5
MAX_BITS: Final = 10
MAX_LENGTH_RATIO: Final = 1.1
MAX_LENGTH_FRAMES: Final = 5

KINDS: Final = ("picture", "sound", "motion", "copy")


@dataclass(frozen=True, slots=True)
class NearCopies:
    """Near copies among clips. `pairs` has columns a, b (clip_ids, a < b), picture, sound and motion (which match) and
    copy. `near_copy_of` maps each clip but the first of those that copies join to the first, by order of clip_id;
    `same_scene_as` does so for all pairs.
    """

    pairs: pd.DataFrame
    near_copy_of: dict[str, str]
    same_scene_as: dict[str, str]


def find_near_copies(clips: pa.Table) -> NearCopies:
    """Find near copies among clips with columns clip_id, media_id, frames, picture_hash, sound_hash, face_motion and
    av_sync_score. Clips of one media are never compared: they have one speaker anyway.

    Two clips are copies if their faces move alike; or if they sound alike, do not move against each other, and either
    show one scene or have sounds that are both their faces' own: else it may be two films under one music. The result
    does not depend on the order of rows.
    """
    rows = clips.sort_by("clip_id")
    ids = np.array(rows["clip_id"].to_pylist(), dtype=object)
    media = pd.factorize(np.array(rows["media_id"].to_pylist(), dtype=object))[0]
    movement = Movement(rows)
    alike, agreeing = sound_pairs(rows, media, movement)
    moving = motion_pairs(movement, len(rows), media)
    vouched = agreeing[_vouched(rows, agreeing[:, 0], agreeing[:, 1])]
    by_kind = {"picture": [scene_pairs(rows, media)], "sound": [alike], "motion": [moving], "copy": [moving, vouched]}
    flagged = pd.concat(_pairs(pairs_C2, kind) for kind, some in by_kind.items() for pairs_C2 in some)
    pairs = flagged.groupby(["a", "b"], as_index=False)[list(KINDS)].any()
    left, right, is_copy = (pairs[name].to_numpy() for name in ("a", "b", "copy"))
    named = pairs.assign(a=ids[left], b=ids[right])
    return NearCopies(named, _first_of(ids, left[is_copy], right[is_copy]), _first_of(ids, left, right))


def _pairs(pairs_C2: Ints, kind: str) -> pd.DataFrame:
    flags = {name: np.full(len(pairs_C2), name == kind) for name in KINDS}
    return pd.DataFrame({"a": pairs_C2[:, 0], "b": pairs_C2[:, 1], **flags})


def _vouched(rows: pa.Table, left: Ints, right: Ints) -> Flags:
    """Return, for pairs that sound alike, True where the sound is the recording's."""
    is_synced = rows["av_sync_score"].fill_null(-np.inf).to_numpy() >= MIN_AV_SYNC
    hashes_NH, usable = _picture_words(rows["picture_hash"].to_pylist())
    return np.asarray(
        (is_synced[left] & is_synced[right]) | (_near(hashes_NH, left, right) & usable[left] & usable[right])
    )


def _first_of(ids: npt.NDArray[np.object_], left: Ints, right: Ints) -> dict[str, str]:
    return {str(ids[i]): str(ids[first]) for i, first in enumerate(firsts(left, right, len(ids))) if first != i}


def scene_pairs(rows: pa.Table, media: Ints) -> Ints:
    """Find pairs (C, 2) of clips of different media whose five hashes differ by at most 5 bits on average and 10 at
    most, and whose lengths by a tenth at most. rows: columns frames and picture_hash; media: a number for each.
    """
    frames = rows["frames"].to_numpy()
    hashes_NH, usable = _picture_words(rows["picture_hash"].to_pylist())
    owners = np.flatnonzero(usable)
    pairs = PairSet(len(rows))
    for turned, key_bits in _bands(hashes_NH[owners]):
        for left, right in pairs.fresh(bucket_pairs(turned, 64 - key_bits, owners)):
            apart = media[left] != media[right]
            left, right = left[apart], right[apart]
            near = _near(hashes_NH, left, right) & _similar_length(frames[left], frames[right])
            pairs.add(left[near], right[near])
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
    """Return the hashes (N, H), and which clips have usable ones: not of flat pictures (all zeros or ones)."""
    whole = np.array([len(value) == HASHES * 8 for value in hashes], bool)
    packed = b"".join(value if len(value) == HASHES * 8 else bytes(HASHES * 8) for value in hashes)
    words_NH = np.frombuffer(packed, ">u8").astype(np.uint64).reshape(-1, HASHES)
    flat = (words_NH == 0) | (words_NH == np.uint64(2**64 - 1))
    return words_NH, whole & ~flat.any(axis=1)


def _similar_length(left: Ints, right: Ints) -> Flags:
    longer, shorter = np.maximum(left, right), np.minimum(left, right)
    return np.asarray((longer <= shorter * MAX_LENGTH_RATIO) | (longer - shorter <= MAX_LENGTH_FRAMES))


def _near(hashes_NH: Words, left: Ints, right: Ints) -> Flags:
    bits_CH = np.bitwise_count(hashes_NH[left] ^ hashes_NH[right])
    return np.asarray((bits_CH.sum(axis=1) <= MAX_MEAN_BITS * HASHES) & (bits_CH.max(axis=1) <= MAX_BITS))
