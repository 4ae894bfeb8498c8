"""What a finished batch of files adds to the workspace, in an order that survives a crash at any point.

Payload first, then clips, then the catalog: a catalog row means that everything of its file is stored. A batch that
stopped half way is simply committed again; its media are in `media_with_rows`, and their rows are replaced.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.reasons import FileState

from . import tables
from .parts import Part, commit_parts
from .workspace import Workspace


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that came out of some files.

    `media` are those that were decoded for it. What the store held of them before is replaced; media that only a
    catalog row names (a duplicate, a file that was moved) keep what they have.
    """

    media: frozenset[str]
    catalog: pa.Table
    clips: pa.Table
    stage1: Sequence[Part] = ()
    stage2: Sequence[Part] = ()


def media_with_rows(ws: Workspace) -> frozenset[str]:
    """Media that any table holds rows of, finished or not. Ask once when a run begins."""
    held = set(tables.read(ws, "clips", ["media_id"])["media_id"].to_pylist())
    for table in ("stage1", "stage2"):
        held |= tables.media_in_files(ws, table)
    return frozenset(held)


def commit_batch(ws: Workspace, batch: Batch, before: Collection[str]) -> None:
    """Store a batch. `before` is what `media_with_rows` said when the run began.

    Media of the batch that are in `before` lose what they had: they were measured anew, or a crash left them half
    stored. For all others nothing has to be looked up.

    Raises: WorkspaceError - a table cannot be written.
    """
    again = batch.media & frozenset(before)
    commit_parts(ws, "stage1", batch.stage1, replacing=again)
    commit_parts(ws, "stage2", batch.stage2, replacing=again)
    _commit_clips(ws, batch.clips, again)
    tables.replace_rows(ws, "catalog", batch.catalog, "uri")


def _commit_clips(ws: Workspace, clips: pa.Table, again: frozenset[str]) -> None:
    if not again:
        tables.append_rows(ws, "clips", clips)
        return
    if empty := again - set(clips["media_id"].to_pylist()):
        tables.delete_rows(ws, "clips", "media_id", empty)
    if clips.num_rows:
        tables.replace_rows(ws, "clips", clips, "media_id")


def orphans(ws: Workspace) -> frozenset[str]:
    """Media with stored rows that no measured file of the catalog stands for.

    Left by a crash whose file was gone in the next run, or by a file whose content changed.
    """
    measured = pc.field("state") == FileState.MEASURED.value
    known = tables.read(ws, "catalog", ["media_id"], filter=measured)["media_id"].to_pylist()
    return media_with_rows(ws) - set(known)


def drop_media(ws: Workspace, media: Collection[str]) -> None:
    """Remove every clip and payload row of some media. The catalog keeps its rows.

    Raises: WorkspaceError - a table cannot be written.
    """
    for table in ("stage1", "stage2", "clips"):
        tables.delete_rows(ws, table, "media_id", media)
