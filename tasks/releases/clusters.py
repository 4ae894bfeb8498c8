"""Near-copies of a workspace: the pairs are kept in a table, so that only new clips are compared.

A cluster that lost a clip, or one of whose clips was measured anew, may have been held together by it: its clips are
compared anew. So the clusters always equal those of a comparison of all clips with all. What tells of a cluster that
was broken are its pairs: those that are found are stored before the clusters, and those that went only go after these
are. A run that was killed in between is thus made up for by the next one.
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
from .speakers import refused_clips

CLUSTERS: Final = ("near_copy_of", "same_scene_as")
"""Columns of `clips` that name the first clip of each cluster."""


@dataclass(frozen=True, slots=True)
class ClusterChanges:
    """Pairs with a clip that is new, or another speaker's now, and both columns of CLUSTERS, of all clips, as they
    should be; and stored pairs that do not hold any more, which `drop_stale` deletes once the columns are stored.
    """

    pairs: list[tuple[str, str]]
    columns: Mapping[str, pa.Array]
    stale: pa.Table


def update_clusters(ws: Workspace, clips: pa.Table, files: Sequence[DataFile]) -> ClusterChanges:
    """Compare what is new among `clips`, the rows of these files, and store the pairs.

    clips: columns clip_id, stage1_reasons, split, split_group and CLUSTERS.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    pairs = tables.read_any(ws, "near_pairs")
    gone, anew = _broken(pairs, clips)
    new = pc.or_(pc.is_null(clips["split"]), anew)
    ids = clips["clip_id"].filter(new)
    read = partial(_read, ws, files, bool(pc.any(anew).as_py()))
    found = find_new_copies(ids, read, partial(_stream, ws, files, ids, refused_clips(clips)))
    fresh = _stored(ws, found.pairs)
    columns = {
        "near_copy_of": _named(clips, "near_copy_of", new, found.near_copy_of),
        "same_scene_as": _named(clips, "same_scene_as", new, found.same_scene_as),
    }
    compared = _with_end(pairs, pa.chunked_array([*ids.chunks, gone]))
    moved = clips["clip_id"].filter(pc.is_null(clips["split_group"]))
    kept = pairs.filter(pc.invert(compared))
    open_pairs = pa.concat_tables([fresh, kept.filter(_with_end(kept, moved))])
    return ClusterChanges(_ends(open_pairs), columns, _without(pairs.filter(compared), fresh))


def drop_stale(ws: Workspace, changes: ClusterChanges) -> None:
    """Delete the pairs that do not hold any more; to be called once the clusters are stored.

    Raises: WorkspaceError - the table cannot be written.
    """
    if stale := changes.stale["clip_id"].to_pylist():
        tables.change_rows(ws, "near_pairs", partial(_without, others=changes.stale), "clip_id", stale)
    tables.compact(ws, "near_pairs")


def _broken(pairs: pa.Table, clips: pa.Table) -> tuple[pa.Array, pa.ChunkedArray]:
    """Return the clips of pairs that are not there any more as they were compared, and which clips are in a cluster
    that lost one. A clip that has no split was measured anew, or its pairs were stored by a run that was killed.
    """
    ends = pc.unique(pa.chunked_array([*pairs["clip_id"].chunks, *pairs["other_id"].chunks], pa.string()))
    as_it_was = pc.and_(pc.is_valid(clips["split"]), pc.is_in(clips["clip_id"], ends))
    there = pc.unique(clips["clip_id"].filter(as_it_was))  # few, beside all clips
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


def _stream(ws: Workspace, files: Sequence[DataFile], new: pa.ChunkedArray, refused: pa.Array) -> Iterator[pa.Table]:
    """Yield all clips, with the part of its cluster that each is in: a split, or what was refused. Each part is
    compared, since a clip that matches one that was refused may match one of another split, too.
    """
    for batch in tables.batches(ws, "clips", files, [*COLUMNS, *CLUSTERS, "split"]):
        rows = pa.Table.from_batches([batch])
        is_new = pc.is_in(rows["clip_id"], new)
        for name in CLUSTERS:
            old = pc.if_else(is_new, pa.scalar(None, pa.string()), rows[name])
            rows = rows.set_column(rows.schema.get_field_index(name), name, old)
        part = pc.if_else(pc.is_in(rows["clip_id"], refused), "refused", pc.fill_null(rows["split"], ""))
        yield rows.append_column("part", part)


def _stored(ws: Workspace, found: pd.DataFrame) -> pa.Table:
    """Store the pairs that were found, but for those that are there, by now maybe from another run; returns all."""
    columns: dict[str, Any] = {"clip_id": found["a"], "media_id": found["a_media"], "other_id": found["b"]}
    columns |= {"other_media_id": found["b_media"], **{name: found[name] for name in NEAR_PAIRS.names[4:]}}
    rows = pa.table({name: pa.array(column, NEAR_PAIRS.field(name).type) for name, column in columns.items()})
    rows = rows.cast(NEAR_PAIRS)
    if rows.num_rows:
        tables.append_after(ws, "near_pairs", partial(_without, rows))
    return rows


def _without(rows: pa.Table, others: pa.Table) -> pa.Table:
    return rows.join(others, NEAR_PAIRS.names, join_type="left anti").cast(NEAR_PAIRS)


def _with_end(pairs: pa.Table, clips: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_(pc.is_in(pairs["clip_id"], clips), pc.is_in(pairs["other_id"], clips))


def _ends(pairs: pa.Table) -> list[tuple[str, str]]:
    return list(zip(pairs["clip_id"].to_pylist(), pairs["other_id"].to_pylist(), strict=True))


def _named(clips: pa.Table, column: str, new: pa.ChunkedArray, firsts: Mapping[str, str]) -> pa.Array:
    """Return the column with the clusters' names of now: null for the first of each."""
    ids = clips["clip_id"]
    before = pc.if_else(new, ids, pc.coalesce(clips[column], ids))
    at = pc.index_in(before, pa.array(list(firsts), pa.string()))
    names = pc.coalesce(pa.array(list(firsts.values()), pa.string()).take(at.combine_chunks()), before.combine_chunks())
    return pc.if_else(pc.equal(names, ids.combine_chunks()), pa.scalar(None, pa.string()), names)
