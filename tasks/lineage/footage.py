"""Rows of footage, by what a takedown or a trace asks for: those of now, and those that only older releases hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.tasks.releases.erasure import older_files
from heterodub.tasks.stores import tombstones
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.scan import pieces, read_where
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.where import RowCondition, among
from heterodub.tasks.stores.workspace import Workspace

_COLUMNS: Final = {
    "catalog": ("uri", "media_id", "corpus", "speaker", "licence"),
    "clips": ("clip_id", "media_id", "speaker", "person", "frames", "stage1", "stage2"),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class FootageRows:
    """The rows of `catalog` and `clips` of a workspace, in every line, and those of media that only older releases
    hold.
    """

    ws: Workspace

    @cached_property
    def _lines(self) -> tuple[Workspace, ...]:
        return self.ws, *standing_by(self.ws)

    def now(self, table: str, where: RowCondition) -> list[Row]:
        """Return rows of the newest version; one that several lines have, once.

        Raises: WorkspaceError - the table cannot be read.
        """
        rows = [row for line in self._lines for row in read_where(line, table, _COLUMNS[table], where).to_pylist()]
        return rows if len(self._lines) == 1 else _different(rows)

    def older(self, table: str, where: RowCondition) -> list[Row]:
        """Return rows, each once, of older releases whose media is not stored now, or not known.

        Raises: WorkspaceError - a table cannot be read.
        """
        read = read_where(self.ws, table, _COLUMNS[table], where, self._older_files[table]).to_pylist()
        stored = self._stored(row["media_id"] for row in read)
        return _different([row for row in read if row["media_id"] not in stored])

    @cached_property
    def _older_files(self) -> dict[str, list[DataFile]]:
        return {table: older_files(self.ws, table) for table in _COLUMNS}

    def _stored(self, media: Iterable[str | None]) -> set[str]:
        wanted = among("media_id", {name for name in media if name})
        return {
            name
            for line in self._lines
            for table in _COLUMNS
            for piece in pieces(line, table, ["media_id"], wanted)
            for name in piece["media_id"].to_pylist()
        }

    def clips(self, where: RowCondition) -> list[Row]:
        """Return clips of now, and of media that only older releases hold."""
        by_id = {row["clip_id"]: row for row in (*self.older("clips", where), *self.now("clips", where))}
        return [*by_id.values()]

    def values(self, table: str, column: str) -> set[str]:
        """Return the values of a column, of now and of older releases."""
        found: set[str] = set()
        older = pieces(self.ws, table, [column], version=self._older_files[table])
        for piece in chain(older, *(pieces(line, table, [column]) for line in self._lines)):
            found.update(pc.unique(piece[column]).drop_null().to_pylist())
        return found


def _different(rows: list[Row]) -> list[Row]:
    return [dict(row) for row in dict.fromkeys(tuple(row.items()) for row in rows)]


def marked(column: Literal["uri", "speaker", "corpus", "licence"], mark: str) -> RowCondition:
    """Rows with a text of which a tombstone keeps the hash."""

    def mask(rows: pa.Table) -> pa.ChunkedArray:
        texts = [text for text in pc.unique(rows[column]).to_pylist() if text is not None]
        kind: tombstones.Kind = "file" if column == "uri" else column
        meant = [text for text in texts if mark in tombstones.marks_of(kind, text)]
        return pc.is_in(rows[column], value_set=pa.array(meant, pa.string()))

    return RowCondition(frozenset({column}), mask)
