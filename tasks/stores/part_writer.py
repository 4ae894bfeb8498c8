"""Writes one part clip by clip, so that a two-hour file is never held in memory."""

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import TABLES

from .log import bounds_of
from .parquet import _encoding, _put, _wider
from .parts import Part, part_name
from .workspace import Workspace


class PartWriter:
    """A part under way. Leaving the block puts the file in its place; leaving it by an error leaves nothing.

    `part` says what was written; None without rows. Writing happens in scratch, so a reader never sees half a file.

    Raises: pyarrow.ArrowInvalid - rows do not fit the schema. OSError - the disk is full.
    """

    def __init__(self, ws: Workspace, table: str, media_id: str, extractor: str, suffix: str = "") -> None:
        self.part: Part | None = None
        self._ws, self._table, self._media_id = ws, table, media_id
        self._name = part_name(media_id, extractor, suffix)
        handle, path = tempfile.mkstemp(suffix=".parquet", dir=ws.scratch())
        os.close(handle)
        self._path = Path(path)
        schema = TABLES[table]
        self._writer = pq.ParquetWriter(self._path, schema, **_encoding(schema))
        self._rows = 0
        self._bounds: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def add(self, rows: pa.Table) -> None:
        """Add clips; each call makes a row group."""
        self._writer.write_table(rows)
        self._rows += rows.num_rows
        self._bounds = _wider(self._bounds, bounds_of(rows))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.close()
            if kind is None and self._rows:
                size = self._path.stat().st_size
                _put(self._ws, self._path, self._ws.path(self._table, self._name))
                self.part = Part(self._name, self._media_id, size, self._rows, *self._bounds["clip_id"])
        finally:
            self._path.unlink(missing_ok=True)
