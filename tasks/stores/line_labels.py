"""Labels of people across lines: a clip of the same frames of the same face keeps its label under another extractor.

A clip's id is a hash of its place in the film and of the extractor, so the id that a labelled clip has in another line
is known before that line has it.
"""

import hashlib
from dataclasses import replace

import pyarrow.compute as pc

from . import tables
from .labels import Labels, NewLabel, read_labels, store_labels
from .workspace import Workspace

_PLACE = ["media_id", "shot", "track", "start_frame", "frames"]


def clip_id_at(media_id: str, shot: int, track: int, start_frame: int, frames: int, extractor: str) -> str:
    """Identity of a clip by content: 24 hex digits over media, shot, track, span and extractor."""
    parts = (media_id, shot, track, start_frame, frames, extractor)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]


def labels_of_line(line: Workspace) -> Labels:
    """Return the standing labels; of a line that stands by, those of clips in use under the ids of that line, too.

    Raises: WorkspaceError - a table cannot be read.
    """
    labels = read_labels(line)
    if not (line.line and labels):
        return labels
    labelled = pc.field("clip_id").isin(sorted({clip for clip, _ in labels}))
    rows = tables.read_any(line.of_line(""), "clips", ["clip_id", *_PLACE], labelled).to_pylist()
    ids = {row["clip_id"]: clip_id_at(**{name: row[name] for name in _PLACE}, extractor=line.line) for row in rows}
    carried = {(ids[clip], stage): label for (clip, stage), label in labels.items() if clip in ids}
    return {key: replace(label, clip_id=key[0]) for key, label in carried.items()} | labels


def carry_labels(line: Workspace) -> int:
    """Store labels of clips in use for the clips of the line in their places; returns how many. A second call stores
    none.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    own, labels = read_labels(line), labels_of_line(line)
    new = {key: label for key, label in labels.items() if key not in own}
    if not new:
        return 0
    chosen = pc.field("clip_id").isin(sorted({clip for clip, _ in new}))
    there = set(tables.read(line, "clips", ["clip_id"], filter=chosen)["clip_id"].to_pylist())
    carried = [
        NewLabel(clip, label.media_id, stage, label.keep, label.reason, label.by)
        for (clip, stage), label in new.items()
        if clip in there
    ]
    store_labels(line, carried)
    return len(carried)
