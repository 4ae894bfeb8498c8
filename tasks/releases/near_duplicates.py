"""Detection of copies of a recording, and of clips of one scene.

A copy is a claim about a recording, so it must agree over time: takedowns, reports and people believe it. That two
clips share their scene or their sound is less: enough to keep them in one split, and no more. Five perceptual hashes of
whole pictures show no more than that: one talker in one chair looks alike in every sentence.

Whether two clips match follows from these two alone. So only new clips are compared, with each other and with all
others as these are read past them, and the clusters are those of a comparison of all with all.

Legend: N clips, H hashes of a clip, C candidate pairs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.arrays import Flags

from .fingerprints import PICTURE_KEY_BITS, Fingerprints, flat, hashed, similar_length, similar_pictures
from .hash_search import AnyInts, Ints, Joined, KeyIndex, Keys, firsts
from .recordings import (
    MIN_MOTION_FRAMES,
    MIN_SOUND_FRAMES,
    is_contradicted,
    same_motion,
    same_sound,
)
from .sieve import KeySieve
from .streams import ROTATIONS, Streams, shared

BLOCK: Final = 40_000
"""New clips that are compared at once; bounds memory, some 10 kB each."""
_PAIRS_PER_CLIP: Final = 8
KINDS: Final = ("picture", "sound", "motion", "copy")


@dataclass(frozen=True, slots=True)
class NearCopies:
    """Near copies among clips. `pairs` has columns a, b (clip_ids, a < b), a_media, b_media, picture, sound and motion
    (which match) and copy: enough of them to join every cluster. `near_copy_of` maps each clip, and each first one of
    an earlier cluster, but the first of those that copies join to the first, by order of clip_id; `same_scene_as` does
    so for all pairs.
    """

    pairs: pd.DataFrame
    near_copy_of: dict[str, str]
    same_scene_as: dict[str, str]


@dataclass(slots=True)
class _Found:
    """Pairs of new clips and others, as rows of clip_ids and clusters."""

    tables: list[pa.Table] = field(default_factory=list)

    def add(self, new: Fingerprints, old: Fingerprints, left: AnyInts, right: AnyInts, *kinds: str) -> None:
        if not len(left):
            return
        flags = {kind: pa.array(np.full(len(left), kind in kinds)) for kind in KINDS}
        names = {f"of_{kind}": old.names[kind].take(right) for kind in old.names}
        ids = {"new": new.ids.take(left), "new_media": new.media_id.take(left)}
        ids |= {"other": old.ids.take(right), "other_media": old.media_id.take(right)}
        self.tables.append(pa.table({**ids, **names, **flags}))

    def joined(self) -> pd.DataFrame:
        empty = {name: pa.array([], pa.string()) for name in ("new", "new_media", "other", "other_media")}
        empty |= {f"of_{kind}": pa.array([], pa.string()) for kind in ("scene", "copy")}
        empty |= {kind: pa.array([], pa.bool_()) for kind in KINDS}
        return pa.concat_tables([pa.table(empty), *self.tables]).to_pandas()


class CopySearch:
    """Search for copies of new clips among each other and among others."""

    def __init__(self, new: Fingerprints) -> None:
        self.new, self.found = new, _Found()
        self._pictures = [KeyIndex(keys, PICTURE_KEY_BITS, 64 - PICTURE_KEY_BITS) for keys in new.picture_keys()]
        moving = new.movement.streams
        self._sound = [KeyIndex(new.sound.keys(turn), new.sound.key_bits) for turn in ROTATIONS]
        self._motion = [KeyIndex(moving.keys(turn), moving.key_bits) for turn in ROTATIONS]
        self._joined = {"scene": Joined(), "copy": Joined()}
        self._links: dict[str, list[Ints]] = {"scene": [], "copy": []}
        self._among: dict[str, Ints] | None = None

    def among(self) -> None:
        """Compare the new clips with each other: first those with the most similar keys, then all that are not joined
        by these.
        """
        new = self.new
        for check, indexes in self._checks():
            for index in indexes:
                for one, other in index.neighbours():
                    check(new, index.entries.at(one), index.entries.at(other))
                self._thin()
        everyone = np.arange(len(new.ids))
        for kind in self._joined:
            new.names[kind] = new.ids.take(pa.array(self._firsts(kind)))
            new.clusters[kind] = hashed(new.names[kind])
            self._joined[kind] = Joined()
            self._joined[kind].add(everyone, new.clusters[kind])
        self._among = None
        self.against(new)

    def _firsts(self, kind: str) -> Ints:
        code = np.concatenate([np.empty(0, np.int64), *self._links[kind]])
        return firsts(code >> 32, code & 0xFFFFFFFF, len(self.new.ids))

    def _thin(self) -> None:
        """Once pairs outnumber clips by far, go on with those only that would still join two clusters: thousands of
        near equal clips (a camera that never moves) have millions of pairs, and some of each are enough.
        """
        if sum(map(len, self._links["scene"])) > _PAIRS_PER_CLIP * len(self.new.ids):
            self._among = {kind: self._firsts(kind) for kind in self._links}

    def against(self, old: Fingerprints) -> None:
        """Compare the new clips with others."""
        for index, keys in zip(self._pictures, old.picture_keys(), strict=True):
            self._meet(index, keys.at(index.likely(keys.key)), old, "scene", self._scenes)
        for turn, sound, motion in zip(ROTATIONS, self._sound, self._motion, strict=True):
            self._meet(sound, old.sound.keys(turn, sound), old, "copy", self._sounds)
            self._meet(motion, old.movement.streams.keys(turn, motion), old, "copy", self._motions)

    def against_rows(self, pieces: Iterable[pa.Table]) -> None:
        """Compare the new clips with others, given as rows of which Fingerprints can be made."""
        for rows in self.sieve().kept(pieces):
            if rows.num_rows:
                self.against(Fingerprints.of(rows))

    def sieve(self) -> KeySieve:
        """Return a sieve that keeps what may match one of the new clips."""
        return KeySieve(self.new, self._pictures, self._sound, self._motion)

    def _checks(self) -> Iterator[tuple[Callable[[Fingerprints, Keys, Keys], None], list[KeyIndex]]]:
        yield self._scenes, self._pictures
        yield self._sounds, self._sound
        yield self._motions, self._motion

    def _meet(self, index: KeyIndex, shared: Keys, old: Fingerprints, kind: str, check: Any) -> None:
        for entry, other in index.meet(shared, old.clusters[kind], self._joined[kind]):
            check(old, index.entries.at(entry), shared.at(other))

    def _apart(self, old: Fingerprints, left: AnyInts, right: AnyInts, kind: str) -> Flags:
        """Return True for pairs of clips of different media, unless they are known to be joined."""
        apart = self.new.media[left] != old.media[right]
        if self._among is not None:
            apart &= self._among[kind][left] != self._among[kind][right]
        return np.asarray(apart)

    def _scenes(self, old: Fingerprints, entries: Keys, others: Keys) -> None:
        """Add pairs whose five hashes differ by at most 5 bits on average and 10 at most, and whose lengths by a tenth
        at most.
        """
        left, right = self._ordered(old, entries, others)
        near = similar_length(self.new.frames[left], old.frames[right])
        near[near] = similar_pictures(self.new.hashes_NH[left[near]], old.hashes_NH[right[near]])
        self._add(old, left[near], right[near], "picture")

    def _ordered(self, old: Fingerprints, entries: Keys, others: Keys) -> tuple[AnyInts, AnyInts]:
        left, right = entries.clip, others.clip
        apart = self._apart(old, left, right, "scene")
        return left[apart], right[apart]

    def _add(self, old: Fingerprints, left: AnyInts, right: AnyInts, *kinds: str) -> None:
        code = np.unique(left.astype(np.int64) << 32 | right)
        left, right = code >> 32, code & 0xFFFFFFFF
        self.found.add(self.new, old, left, right, *kinds)
        for kind in ("scene", "copy") if "copy" in kinds else ("scene",):
            self._joined[kind].add(left, old.clusters[kind][right])
            if old is self.new:
                self._links[kind].append(code)

    def _sounds(self, old: Fingerprints, entries: Keys, others: Keys) -> None:
        """Add pairs that sound the same. They are copies if they do not move against each other, and either show one
        scene or have sounds that are both their faces' own: else it may be two films under one music.
        """
        new = self.new
        left, right, shift = self._shifts(old, new.sound, old.sound, entries, others, MIN_SOUND_FRAMES)
        own = new.is_synced[left] & old.is_synced[right]
        vouched = own | (
            new.is_usable[left] & old.is_usable[right] & similar_pictures(new.hashes_NH[left], old.hashes_NH[right])
        )
        wanted = vouched | ~self._joined["scene"].holds(left, old.clusters["scene"][right])
        left, right, shift, vouched = left[wanted], right[wanted], shift[wanted], vouched[wanted]
        same = same_sound(new.sound, old.sound, left, right, shift)
        left, right, shift, vouched = left[same], right[same], shift[same], vouched[same]
        against = is_contradicted(new.movement, old.movement, left, right, shift)
        copies = vouched & ~against
        self._add(old, left[copies], right[copies], "sound", "copy")
        self._add(old, left[~copies], right[~copies], "sound")

    def _motions(self, old: Fingerprints, entries: Keys, others: Keys) -> None:
        """Add pairs whose faces move alike."""
        one, other = self.new.movement, old.movement
        left, right, shift = self._shifts(old, one.streams, other.streams, entries, others, MIN_MOTION_FRAMES)
        same = same_motion(one, other, left, right, shift)
        self._add(old, left[same], right[same], "motion", "copy")

    def _shifts(
        self, old: Fingerprints, one: Streams, other: Streams, entries: Keys, others: Keys, frames: int
    ) -> tuple[AnyInts, AnyInts, Ints]:
        """Return clips of different media and the shifts at which they share a key and so many frames, each once."""
        apart = self._apart(old, entries.clip, others.clip, "copy")
        return shared(one, other, entries.at(apart), others.at(apart), frames)


def find_near_copies(clips: pa.Table) -> NearCopies:
    """Find near copies among clips with COLUMNS. Clips of one media are never compared: they have one speaker anyway.

    Two clips are copies if their faces move alike; or if they sound alike, do not move against each other, and either
    show one scene or have sounds that are both their faces' own: else it may be two films under one music. The result
    does not depend on the order of rows.
    """
    return find_new_copies(clips["clip_id"], lambda ids: clips.filter(pc.is_in(clips["clip_id"], ids)), lambda: [clips])


def find_new_copies(
    new: pa.ChunkedArray, read: Callable[[pa.Array], pa.Table], stream: Callable[[], Iterable[pa.Table]]
) -> NearCopies:
    """Find near copies of new clips: as find_near_copies of all clips does, for those whose cluster changes.

    new: clip_ids. read: returns the rows of some of them, with COLUMNS. stream: yields the rows of all clips, with
    COLUMNS, near_copy_of, same_scene_as and part, but for new ones without the two clusters.
    """
    ids = flat(new).sort() if len(new) else pa.array([], pa.string())
    found: list[pd.DataFrame] = []
    for start in range(0, len(ids), BLOCK):
        search = CopySearch(Fingerprints.of(read(ids.slice(start, BLOCK)).sort_by("clip_id")))
        search.among()
        search.against_rows(_but(rows, ids.slice(start)) for rows in stream())
        found.append(search.found.joined())
    return _clusters(pd.concat(found) if found else _Found().joined())


def _but(rows: pa.Table, ids: pa.Array) -> pa.Table:
    """Return rows of other clips than these."""
    among = pc.is_in(rows["clip_id"], ids)
    return rows.filter(pc.invert(among)) if pc.any(among).as_py() else rows


def _clusters(found: pd.DataFrame) -> NearCopies:
    copies = found[found["copy"]]
    near_copy_of, same_scene_as = (
        _first_of(copies["new"], copies["of_copy"]),
        _first_of(found["new"], found["of_scene"]),
    )
    swapped = (found["new"] > found["other"]).to_numpy()
    new, other = found[["new", "new_media"]].to_numpy(), found[["other", "other_media"]].to_numpy()
    low, high = np.where(swapped[:, None], other, new), np.where(swapped[:, None], new, other)
    named = {"a": low[:, 0], "a_media": low[:, 1], "b": high[:, 0], "b_media": high[:, 1]}
    pairs = pd.DataFrame({**named, **{kind: found[kind].to_numpy() for kind in KINDS}})
    merged = pairs.groupby(["a", "b", "a_media", "b_media"], as_index=False)[list(KINDS)].any()
    return NearCopies(merged, near_copy_of, same_scene_as)


def _first_of(left: Any, right: Any) -> dict[str, str]:
    """Map each name but the smallest of a cluster to the smallest."""
    names, number = np.unique(np.concatenate([left, right]).astype(object), return_inverse=True)
    first = firsts(number[: len(left)], number[len(left) :], len(names)) if len(names) else np.empty(0, np.int64)
    return {str(names[i]): str(names[i_first]) for i, i_first in enumerate(first) if i != i_first}
