"""Work of one audit: the files that are new to it, all rows against each other, and what it keeps for later ones."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

import pandas as pd
import pyarrow as pa

from heterodub.schemas.tables import TABLES
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.parquet import PAYLOAD, stream_file
from heterodub.tasks.stores.workspace import Workspace

from .across import find_suspects
from .ahead import map_ahead
from .audited_files import keep_passed, keys_of, passed_files
from .contradictions import suspect_frames
from .frames import ROW_COLUMNS, frame_of
from .payload import count_file, no_rows

BATCH_ROWS: Final = 20_000
"""Rows of a frame at most, but for what a file of payload adds: what an audit holds of new rows."""


class AuditWork:
    """The files of an audit, by table. Frames of new rows come first, those of contradictions follow from all rows.

    checks: ids of the checks. full: look into every file, whatever it met before.

    Raises: NotFoundError - a file is not there. WorkspaceError - a table or a folder cannot be read.
    """

    def __init__(
        self, ws: Workspace, files: Mapping[str, Sequence[DataFile]], checks: Mapping[str, str], full: bool
    ) -> None:
        self._ws, self._files = ws, files
        self._keys = {table: keys_of(ws, table, of_table, checks[table]) for table, of_table in files.items()}
        self._stored = passed_files(ws)
        self._met = {} if full else self._stored
        self._sums: dict[str, dict[str, int]] = {table: {} for table in files}  # of new files, by name

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each table."""
        return {table: sum(file.rows for file in files) for table, files in self._files.items()}

    @property
    def fresh_rows(self) -> dict[str, int]:
        """Rows of each table that are looked into."""
        return {table: sum(file.rows for file in self._fresh(table)) for table in self._files}

    def fresh_frames(self, table: str) -> Iterator[pd.DataFrame]:
        """Yield the rows of new files, some BATCH_ROWS at a time; one empty frame where there are none.

        Raises: NotFoundError - a file is gone. WorkspaceError - one is damaged.
        """
        yield from self._payload_frames(table) if table in PAYLOAD else self._row_frames(table)

    @cached_property
    def contradictions(self) -> Mapping[str, pd.DataFrame]:
        """Rows of each table that may contradict others. After all of `fresh_frames`, which counts new payload.

        Raises: as fresh_frames.
        """
        return suspect_frames(self._ws, self._files, find_suspects(self._ws, self._files, self._payload_sums()))

    def keep(self, passed: Collection[str]) -> None:
        """Store that the new files of some tables met the checks.

        Raises: WorkspaceError - the table of files cannot be written.
        """
        fresh = {
            self._keys[table][file.name]: self._sums[table].get(file.name)
            for table in passed
            for file in self._fresh(table)
        }
        present = {key for keys in self._keys.values() for key in keys.values()}
        keep_passed(self._ws, fresh, self._stored.keys(), present)

    def _fresh(self, table: str) -> list[DataFile]:
        return [file for file in self._files[table] if self._keys[table][file.name] not in self._met]

    def _row_frames(self, table: str) -> Iterator[pd.DataFrame]:
        columns = ROW_COLUMNS[table]
        rows = pa.Table.from_batches([], pa.schema([TABLES[table].field(name) for name in columns]))
        is_first = True
        for file in self._fresh(table):
            for piece in stream_file(self._ws, table, file, columns):
                rows = pa.concat_tables([rows, piece])
                while rows.num_rows > BATCH_ROWS:
                    yield frame_of(table, rows.slice(0, BATCH_ROWS))
                    rows, is_first = rows.slice(BATCH_ROWS), False
        if rows.num_rows or is_first:
            yield frame_of(table, rows)

    def _payload_frames(self, table: str) -> Iterator[pd.DataFrame]:
        gathered, files = [no_rows(table)], self._fresh(table)
        counted = map_ahead(lambda file: count_file(self._ws, table, file), files)
        for file, result in zip(files, counted, strict=True):
            self._sums[table][file.name] = result.rows_hash
            gathered.append(result.rows)
            if sum(map(len, gathered)) >= BATCH_ROWS:
                yield pd.concat(gathered[1:], ignore_index=True)
                gathered = gathered[:1]
        if len(gathered) > 1 or not files:
            yield pd.concat(gathered[1:] or gathered, ignore_index=True)

    def _payload_sums(self) -> dict[str, list[int]]:
        sums = {}
        for table in PAYLOAD:
            fresh, keys = self._sums[table], self._keys[table]
            old = (self._met[keys[file.name]] for file in self._files[table] if file.name not in fresh)
            sums[table] = [*fresh.values(), *(total for total in old if total is not None)]
        return sums
