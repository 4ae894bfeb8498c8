"""Near-copies of a workspace: the pairs are kept in a table, so that only new clips are compared.

A cluster that lost a clip may have been held together by it: its clips are compared anew. What a comparison found thus
always equals what a comparison of all clips with all would find.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.tables import NEAR_PAIRS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.workspace import Workspace

from .fingerprints import COLUMNS
from .near_duplicates import find_new_copies

CLUSTERS: Final = ("near_copy_of", "same_scene_as")
"""Columns of `clips` that name the first clip of each cluster."""


@dataclass(frozen=True, slots=True)
class ClusterChanges:
    """Pairs of clips that are new, and both columns of CLUSTERS, of all clips, as they should be."""

    pairs: list[tuple[str, str]]
    columns: Mapping[str, pa.Array]


def update_clusters(ws: Workspace, clips: pa.Table, files: Sequence[DataFile]) -> ClusterChanges:
    """Compare what is new among `clips`, the rows of these files, and store the pairs.

    clips: columns clip_id, split and CLUSTERS.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    gone, anew = _broken(tables.read_any(ws, "near_pairs", ["clip_id", "other_id"]), clips)
    new = pc.or_(pc.is_null(clips["split"]), anew)
    ids = clips["clip_id"].filter(new)
    read = partial(_read, ws, files, bool(pc.any(anew).as_py()))
    found = find_new_copies(ids, read, partial(_stream, ws, files, ids))
    _store(ws, found.pairs, gone, clips["clip_id"].filter(anew))
    columns = {
        "near_copy_of": _named(clips, "near_copy_of", new, found.near_copy_of),
        "same_scene_as": _named(clips, "same_scene_as", new, found.same_scene_as),
    }
    return ClusterChanges(list(zip(found.pairs["a"], found.pairs["b"], strict=True)), columns)


def _broken(pairs: pa.Table, clips: pa.Table) -> tuple[pa.Array, pa.ChunkedArray]:
    """Return the clips of pairs that are not there any more, and which clips are in a cluster that lost one."""
    ends = pc.unique(pa.chunked_array([*pairs["clip_id"].chunks, *pairs["other_id"].chunks], pa.string()))
    there = pc.unique(clips["clip_id"].filter(pc.is_in(clips["clip_id"], ends)))  # few, beside all clips
    gone = ends.filter(pc.invert(pc.is_in(ends, there)))
    if not len(gone):
        return gone, pc.is_in(clips["clip_id"], gone)
    sides = (("clip_id", "other_id"), ("other_id", "clip_id"))
    beside = [pairs[other].filter(pc.is_in(pairs[side], gone)) for side, other in sides]
    names = pc.coalesce(clips["same_scene_as"], clips["clip_id"])
    hit = pc.is_in(clips["clip_id"], pa.chunked_array([c for column in beside for c in column.chunks], pa.string()))
    return gone, pc.is_in(names, pc.unique(names.filter(hit)))


def _read(ws: Workspace, files: Sequence[DataFile], any_divided: bool, ids: pa.Array) -> pa.Table:
    """Read the rows of some new clips; any_divided: some of them have a split, so that no row group can be left out."""
    chosen = pc.field("clip_id").isin(ids)
    return tables.read(ws, "clips", COLUMNS, files, chosen if any_divided else pc.field("split").is_null() & chosen)


def _stream(ws: Workspace, files: Sequence[DataFile], new: pa.ChunkedArray) -> Iterator[pa.Table]:
    for batch in tables.batches(ws, "clips", files, [*COLUMNS, *CLUSTERS]):
        rows = pa.Table.from_batches([batch])
        is_new = pc.is_in(rows["clip_id"], new)
        for name in CLUSTERS:
            old = pc.if_else(is_new, pa.scalar(None, pa.string()), rows[name])
            rows = rows.set_column(rows.schema.get_field_index(name), name, old)
        yield rows


def _store(ws: Workspace, found: pd.DataFrame, gone: pa.Array, anew: pa.ChunkedArray) -> None:
    """Store the pairs that were found; those of clips that are gone or were compared anew go."""
    if again := {*gone.to_pylist(), *anew.to_pylist()}:
        for side in ("clip_id", "other_id"):
            tables.delete_rows(ws, "near_pairs", side, again)
    columns: dict[str, Any] = {"clip_id": found["a"], "media_id": found["a_media"], "other_id": found["b"]}
    columns |= {"other_media_id": found["b_media"], **{name: found[name] for name in NEAR_PAIRS.names[4:]}}
    rows = pa.table({name: pa.array(column, NEAR_PAIRS.field(name).type) for name, column in columns.items()})
    tables.append_rows(ws, "near_pairs", rows.cast(NEAR_PAIRS))
    tables.compact(ws, "near_pairs")


def _named(clips: pa.Table, column: str, new: pa.ChunkedArray, firsts: Mapping[str, str]) -> pa.Array:
    """Return the column with the clusters' names of now: null for the first of each."""
    ids = clips["clip_id"]
    before = pc.if_else(new, ids, pc.coalesce(clips[column], ids))
    at = pc.index_in(before, pa.array(list(firsts), pa.string()))
    names = pc.coalesce(pa.array(list(firsts.values()), pa.string()).take(at.combine_chunks()), before.combine_chunks())
    return pc.if_else(pc.equal(names, ids.combine_chunks()), pa.scalar(None, pa.string()), names)
