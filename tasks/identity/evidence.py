"""Evidence about who is seen: sums of measured faces and voices, faces on screen together, names that are stated.

Legend: N clips, D numbers of a face, V numbers of a voice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from .linkage import Ints, Nodes, Reals

FACE_NUMBERS: Final = 128
VOICE_NUMBERS: Final = 256
MIN_TOGETHER: Final = 5
"""Frames, at 25 fps, that two faces are on screen together before they are two people: where one track follows another,
both may hold the same face for a moment."""
_BATCH: Final = ["clip_id", "face", "voice"]


@dataclass(slots=True)
class Sums:
    """Faces and voices added up by node; voice (N, V): a sum of unit vectors, 0 where none was measured."""

    faces: Nodes
    voices: Reals

    def joined(self, root: Ints) -> "Sums":
        """Add up nodes by their roots; what is no root has none."""
        voices = np.zeros_like(self.voices)
        np.add.at(voices, root, self.voices)
        return Sums(self.faces.joined(root), voices)


def sums_of(sources: Sequence[Workspace], clip_ids: pa.Array, node: Ints, nodes: int) -> Sums:
    """Read the embeddings of clips and add them up by node.

    Raises: WorkspaceError - a table cannot be read.
    """
    count, square = np.zeros(nodes), np.zeros(nodes)
    total, voices = np.zeros((nodes, FACE_NUMBERS)), np.zeros((nodes, VOICE_NUMBERS))
    for rows in _batches(sources):
        at = pc.index_in(rows["clip_id"], clip_ids)
        for name, numbers in (("face", FACE_NUMBERS), ("voice", VOICE_NUMBERS)):
            is_whole = pc.fill_null(pc.equal(pc.list_value_length(rows[name]), numbers), False)
            used = pc.and_(pc.is_valid(at), is_whole)
            vectors = _matrix(rows[name].filter(used), numbers)
            finite = np.isfinite(vectors).all(axis=1)  # what is damaged counts as not measured; the audit names it
            vectors, theirs = vectors[finite], node[at.filter(used).to_numpy(zero_copy_only=False)[finite]]
            if not len(vectors):
                continue
            if name == "face":
                added = Nodes.of(vectors, theirs, nodes)
                count, total, square = count + added.count, total + added.total, square + added.square
            else:
                np.add.at(voices, theirs, vectors)
    return Sums(Nodes(count, total, square), voices)


def _batches(sources: Sequence[Workspace]) -> Iterator[pa.RecordBatch]:
    for ws in sources:
        if tables.size(ws, "embeddings").rows:
            yield from tables.batches(ws, "embeddings", columns=_BATCH)


def _matrix(column: pa.Array, numbers: int) -> Reals:
    """Return lists of so many numbers as rows."""
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float64).reshape(len(column), numbers)


def codes(*columns: pa.Array | pa.ChunkedArray) -> tuple[Ints, ...]:
    """Number texts, equal ones alike, over all columns."""
    chunks = [one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for one in columns]
    encoded = pa.concat_arrays([chunk.cast(pa.string()) for chunk in chunks]).dictionary_encode()
    numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return tuple(np.split(numbers, np.cumsum([len(chunk) for chunk in chunks])[:-1]))


def overlaps(media: Ints, start: Ints, frames: Ints) -> tuple[Ints, Ints]:
    """Return pairs of rows, (P,) and (P,), that are clips of one file at the same time, for MIN_TOGETHER frames."""
    if not len(media):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    width = int((start + frames).max()) + MIN_TOGETHER + 1
    order = np.lexsort((start, media))
    place = media[order] * width + start[order]
    last = place + frames[order] - MIN_TOGETHER
    high = np.searchsorted(place, last, "right")
    after = np.maximum(high - np.arange(len(place)) - 1, 0)
    left = np.repeat(np.arange(len(place)), after)
    right = left + 1 + np.arange(after.sum()) - np.repeat(np.cumsum(after) - after, after)
    long = np.minimum(last[left], last[right]) >= place[right]
    return order[left[long]], order[right[long]]


def together(media: Ints, start: Ints, frames: Ints, node: Ints) -> tuple[Ints, Ints]:
    """Return pairs of nodes, (C,) and (C,), of which clips of one file are on screen at the same time."""
    left, right = overlaps(media, start, frames)
    return pairs_of(node[left], node[right])


def pairs_of(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return distinct pairs of different nodes, the smaller one first."""
    pairs = np.sort(np.column_stack([left, right]), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return pairs[:, 0], pairs[:, 1]


def first_of(key: Ints) -> Ints:
    """Return for each place the first place of its key; a key below 0 stands for itself."""
    own = np.arange(len(key))
    _, first, group = np.unique(np.where(key < 0, -own - 2, key), return_index=True, return_inverse=True)
    return np.asarray(first[group], np.int64)
