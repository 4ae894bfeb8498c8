"""Commits of finished batches of files to the workspace, in an order that survives a crash at any point.

Payload first, then embeddings, then clips, then the catalog: a catalog row means that everything of its file is stored.
A batch that stopped half way is simply committed again, and so may be one that another ingest has stored meanwhile:
what the tables hold of its media is replaced.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.reasons import FileState
from heterodub.schemas.tables import EMBEDDINGS

from . import delta, tables
from .delta import Snapshot, snapshot
from .parquet import PAYLOAD, read_files
from .parts import PartFile, commit_parts, media_in_parts
from .row_spool import divided, part_count
from .workspace import Workspace

BATCH_IS_STORED_S: Final = 2.0
"""Seconds after which a half-stored batch is complete; a reader in between sees damage, and reads again."""


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Rows and payload of some files.

    `media` are those that were decoded for it. What the store held of them before is replaced; media that only a
    catalog row names (a duplicate, a file that was moved) keep what they have.
    """

    media: frozenset[str]
    catalog: pa.Table
    clips: pa.Table
    stage1: Sequence[PartFile] = ()
    stage2: Sequence[PartFile] = ()
    embeddings: pa.Table = field(default_factory=EMBEDDINGS.empty_table)


_OF_CLIPS: Final = ("embeddings", "clips")
"""Tables of a row a clip that the driver writes, in the order in which a batch is added to them."""


class KnownMedia:
    """Media of which the tables held rows when the run began, or hold clips by now: another ingest may add some.

    Each file of `clips` and `embeddings` is read once, however often a run commits.
    """

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._seen: set[str] = set()
        self._merged: set[str] = set()
        self.media: set[str] = set()
        for table in PAYLOAD:
            media, merged = media_in_parts(ws, table)
            self.media |= media
            self._merged |= merged
        for table in _OF_CLIPS:
            self.look(table, snapshot(ws, table))

    def absent_from(self, batch: frozenset[str]) -> Callable[[str], frozenset[str]]:
        """Return a function that returns the media of a batch of which a merged file of a name has no rows for sure."""
        unknown = batch - self.media
        return lambda name: unknown if name in self._merged else frozenset()

    def look(self, table: str, newest: Snapshot) -> frozenset[str]:
        """Add what is new in a table of clips; return all media that are held."""
        fresh = tuple(file for file in newest.files if file.name not in self._seen)
        self.media |= set(read_files(self._ws, table, fresh, ["media_id"], None)["media_id"].to_pylist())
        self._seen |= {file.name for file in fresh}
        return frozenset(self.media)


def commit_batch(ws: Workspace, batch: FileBatch, known_media: KnownMedia) -> None:
    """Store a batch. `known_media` is made when the run begins, and kept for all of its batches.

    Media of the batch that are held lose what they had: they were measured anew, a crash left them half stored, or
    another ingest was faster. For all others nothing has to be looked up.

    Raises: WorkspaceError - a table cannot be written.
    """
    absent = known_media.absent_from(batch.media)
    commit_parts(ws, "stage1", batch.stage1, batch.media, absent)
    commit_parts(ws, "stage2", batch.stage2, batch.media, absent)
    for table, rows in zip(_OF_CLIPS, (batch.embeddings, batch.clips), strict=True):
        _commit_rows(ws, table, rows, batch.media, known_media)
    tables.replace_rows(ws, "catalog", batch.catalog, "uri")


def _commit_rows(ws: Workspace, table: str, rows: pa.Table, media: frozenset[str], known_media: KnownMedia) -> None:
    def is_stored(before: Snapshot) -> bool:
        return not media.isdisjoint(known_media.look(table, before))

    if media.isdisjoint(known_media.media):
        tables.append_rows(ws, table, rows, unless=is_stored)
    again = media & known_media.media
    if empty := again - set(rows["media_id"].to_pylist()):
        tables.delete_rows(ws, table, "media_id", empty)
    if again and rows.num_rows:
        tables.replace_rows(ws, table, rows, "media_id")


def orphans(ws: Workspace) -> frozenset[str]:
    """Return media with stored rows that no measured file of the catalog stands for.

    Left by a crash whose file was gone in the next run, or by a file whose content changed. Compared in parts on disk:
    both are as long as the workspace is large.
    """
    count = part_count(tables.size(ws, "clips").rows)
    own = pa.array(sorted(set[str]().union(*(media_in_parts(ws, table)[0] for table in PAYLOAD))), pa.string())
    there = [table for table in _OF_CLIPS if delta.exists(ws, table)]
    clips = chain.from_iterable(tables.batches(ws, table, columns=["media_id"]) for table in there)
    rows = tables.batches(ws, "catalog", columns=["media_id", "state"])
    measured = (batch.filter(pc.equal(batch["state"], FileState.MEASURED.value)) for batch in rows)
    held = divided(chain([pa.record_batch([own], schema=_MEDIA)], clips), _MEDIA, count, "media_id")
    lost = set[str]()
    for stored, catalogued in zip(held, divided(measured, _MEDIA, count, "media_id"), strict=True):
        media = pc.unique(stored.table()["media_id"])
        named = catalogued.table()["media_id"].combine_chunks()
        lost.update(media.filter(pc.invert(pc.is_in(media, value_set=named))).to_pylist())
    return frozenset(lost)


_MEDIA: Final = pa.schema([("media_id", pa.string())])


def drop_media(ws: Workspace, media: Collection[str]) -> None:
    """Remove every clip and payload row of some media. The catalog keeps its rows.

    Raises: WorkspaceError - a table cannot be written.
    """
    for table in ("stage1", "stage2", "embeddings", "clips"):
        tables.delete_rows(ws, table, "media_id", media)


def drop_leftovers(ws: Workspace) -> None:
    """Remove rows of contents that no file stands for: a run that died had no time to.

    Twice looked at: at first sight it may be half a batch that another ingest is storing.
    """
    if seen := orphans(ws):
        time.sleep(BATCH_IS_STORED_S)
        if gone := seen & orphans(ws):
            drop_media(ws, gone)
