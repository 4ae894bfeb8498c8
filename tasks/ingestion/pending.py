"""Finished work of an ingest that is not stored yet, and its commit, which leaves out what was taken down meanwhile."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow as pa

from heterodub.schemas.tables import CLIPS, EMBEDDINGS
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.job import Analysis
from heterodub.tasks.ingestion.schedule import FilmResult
from heterodub.tasks.releases.erasure import erase_barred
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.batches import FileBatch, KnownMedia, commit_batch
from heterodub.tasks.stores.parts import PartFile
from heterodub.tasks.stores.removal import remove
from heterodub.tasks.stores.workspace import Workspace


@dataclass(slots=True)
class Pending:
    """Rows and payload of files that are done, for the next commit."""

    rows: list[catalog.Row] = field(default_factory=list)
    films: dict[str, FilmResult] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)

    def add(self, row: catalog.Row, film: FilmResult) -> None:
        """Add a file that was analysed."""
        if not self.rows:
            self.since = time.monotonic()
        self.rows.append(row)
        self.films[film.result.job.media_id] = film

    def commit(self, ws: Workspace, known: KnownMedia) -> int:
        """Store all but what was taken down since it was begun; return the number of files that are left out.

        Asked before and after it is stored: a takedown that begins later than this finds the rows, and deletes them.

        Raises: WorkspaceError - a table cannot be written.
        """
        barred = _barred(ws, self.rows)
        for media in {row["media_id"] for row in barred} & self.films.keys():
            remove_parts(ws, self.films.pop(media).segments)
        self.rows = [row for row in self.rows if row not in barred]
        if self.rows:
            commit_batch(ws, self._batch(), known)
        if late := _barred(ws, self.rows):
            erase_barred(ws, {row["media_id"] for row in late if row["media_id"]})
            tables.delete_rows(ws, "catalog", "uri", {row["uri"] for row in late})
        return len(barred) + len(late)

    def _batch(self) -> FileBatch:
        segments = [segment for film in self.films.values() for segment in film.segments]
        parts: dict[str, list[PartFile]] = {"stage1": [], "stage2": []}
        for segment in segments:
            for table, part in segment.parts.items():
                parts[table].append(part)
        clips = pa.concat_tables([CLIPS.empty_table(), *(segment.clips for segment in segments)])
        embeddings = pa.concat_tables([EMBEDDINGS.empty_table(), *(segment.embeddings for segment in segments)])
        rows = catalog.catalog_table(self.rows)
        return FileBatch(frozenset(self.films), rows, clips, parts["stage1"], parts["stage2"], embeddings)


def _barred(ws: Workspace, rows: Iterable[catalog.Row]) -> list[catalog.Row]:
    marks = tombstones.standing(ws)
    media = marks.media
    labels = ("speaker", "corpus", "licence")
    return [row for row in rows if row["media_id"] in media or marks.bars(*(row[name] for name in labels))]


def remove_parts(workspace: Workspace, segments: Iterable[Analysis]) -> None:
    """Remove payload that is not going to be committed, unless it was before."""
    for table, part in (each for segment in segments for each in segment.parts.items()):
        if part.name not in tables.file_names(workspace, table):
            with suppress(FileNotFoundError):  # another ingest of the same film was faster
                remove(workspace, table, part.name)
