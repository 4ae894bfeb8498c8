"""The tables' Parquet files: their encoding, their atomic placement, and reading with errors in the user's terms."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from heterodub.schemas.contract import FPS
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.tables import TABLES

from .delta import BOUNDED, DataFile
from .remote import as_os_errors
from .workspace import Workspace, new_file

_CLIPS_PER_ROW_GROUP: Final = 1
"""Trainings read single clips by id, and a row group is the least that can be read. Ids are hashes: a group of several
clips spans most of all ids, so that nothing but reading tells which group holds a clip. With four a group, reading one
of 64 made clips of 6 s decoded 8 times as much (of 32 with crops, 11 times). One a group costs 0.8 kB of footer a clip.
"""
_ROWS_PER_ROW_GROUP: Final = 8_192
"""Of the other tables: a clip is looked up in 10 MB, and a file that is not compacted any more has several groups."""
PAYLOAD: Final = ("stage1", "stage2")
"""Tables whose files are written by workers."""


_SINGLE_FILES: Final = 2 * 32
"""Files of this machine that are read one after the other; more, and those of a remote store, are scanned at once."""


class RowsFile:
    """A Parquet file of a table's rows, written piece by piece; `bounds` are those of the rows, for the table's log.

    Raises: pyarrow.ArrowInvalid - rows do not fit the table's schema. OSError - the file cannot be written here.
    """

    def __init__(self, table: str, target: Path | BinaryIO) -> None:
        self.rows = 0
        self.bounds: dict[str, tuple[str, str]] = {}
        self._schema = TABLES[table]
        self._group = _CLIPS_PER_ROW_GROUP if table in PAYLOAD else _ROWS_PER_ROW_GROUP
        self._writer = pq.ParquetWriter(target, _described(table), **_encoding(self._schema))

    def add(self, rows: pa.Table) -> None:
        """Write rows behind those that are there."""
        if not rows.num_rows:  # would be a row group without rows
            return
        fitting = rows.select(self._schema.names).cast(self._schema)
        self._writer.write_table(fitting, row_group_size=self._group)
        self.rows += fitting.num_rows
        self.bounds = _wider(self.bounds, _bounds_of(fitting))

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()


def _bounds_of(rows: pa.Table) -> dict[str, tuple[str, str]]:
    """Return the smallest and largest value of the columns of BOUNDED that `rows` has."""
    bounds = {}
    for column in BOUNDED:
        if column in rows.column_names:
            ends = pc.min_max(rows[column]).as_py()
            if ends["min"] is not None:
                bounds[column] = (ends["min"], ends["max"])
    return bounds


def _described(table: str) -> pa.Schema:
    """Return a table's schema with what readers must know: frame rate, where it counts frames; order of landmarks."""
    schema, metadata = TABLES[table], {}
    if any((column.metadata or {}).get(b"unit") == b"frames" for column in schema):
        metadata["frames_per_second"] = str(FPS)
    if "landmarks" in schema.names:
        from heterodub.model.features.landmarks import BOUNDARIES  # only where such files are written

        metadata["landmark_order"] = json.dumps({boundary.name: boundary.points for boundary in BOUNDARIES})
    return schema.with_metadata(metadata)


def unfinished_file(ws: Workspace) -> Path:
    """A new file in scratch, for what `put_in_place` will put in its place."""
    return new_file(ws.scratch(), ".parquet")


def write_file(ws: Workspace, table: str, name: str, rows: Iterable[pa.Table]) -> DataFile | None:
    """Write rows into the table's folder under `name`: in scratch piece by piece, then moved to their place complete.

    A file of that name is replaced; it only counts once a transaction names it. None if there are no rows. `{content}`
    in the name becomes a hash of the written bytes, so that two processes which write different rows never write the
    same file.

    Raises: as RowsFile. WorkspaceError - a remote store does not take it.
    """
    unfinished = unfinished_file(ws)
    try:
        written = RowsFile(table, unfinished)
        try:
            for piece in rows:
                written.add(piece)
        finally:
            written.close()
        if not written.rows:
            return None
        name, size = name.replace("{content}", _digest(unfinished)), unfinished.stat().st_size
        put_in_place(ws, unfinished, ws.path(table, name))
        return DataFile(name, size, written.rows, written.bounds)
    finally:
        unfinished.unlink(missing_ok=True)


def write_rows(ws: Workspace, table: str, version: int, rows: pa.Table) -> tuple[DataFile, ...]:
    """Write rows that a version of a table adds, as one file; none if there are no rows. The version in the name makes
    rows that are appended twice two different files. Raises: as write_file.
    """
    file = write_file(ws, table, f"rows-{version:08d}-{{content}}.parquet", [rows])
    return (file,) if file else ()


def same_rows(first: pa.Table, second: pa.Table) -> bool:
    """Return True if two tables hold the same rows, in whatever order."""
    order: list[tuple[str, Any]] = [(first.column_names[0], "ascending")]
    return first.num_rows == second.num_rows and bool(first.sort_by(order).equals(second.sort_by(order)))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _wider(first: dict[str, tuple[str, str]], second: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    if not first or not second:
        return first or second
    return {
        key: (min(first[key][0], second[key][0]), max(first[key][1], second[key][1])) for key in first if key in second
    }


def put_in_place(ws: Workspace, source: Path, target: str) -> None:
    """Move a finished file to its place in the workspace, in one step.

    Raises: OSError - it cannot be moved. WorkspaceError - a remote store does not take it.
    """
    if ws.is_local:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return
    try:
        with as_os_errors(), source.open("rb") as reader, ws.filesystem().open(target, "wb") as writer:
            shutil.copyfileobj(reader, writer, 8 << 20)  # visible when closed
    except OSError as error:  # the run's trouble, not that of the file which is being worked on
        raise WorkspaceError(f"{ws.root} cannot be written to: {error.strerror or error}") from error


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    floats = [path for path, kind in leaves if kind == pa.float32()]
    pictures = [path for path, kind in leaves if path.startswith("crops.")]
    unlike = {*floats, *pictures, "senones"}  # no two values are the same, so a dictionary of them only costs time
    return {
        # Encoded pictures do not shrink, so zstd would only cost time on them.
        "compression": {path: "NONE" if path in pictures else "ZSTD" for path, _ in leaves},
        "use_byte_stream_split": floats or False,
        "use_dictionary": [path for path, _ in leaves if path not in unlike],
        # What no one searches by would only lengthen the footer: hashes, lists.
        "write_statistics": [path for path, kind in leaves if "." not in path and not pa.types.is_binary(kind)],
    }


def _leaves(path: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    if pa.types.is_map(kind):
        return [(f"{path}.key_value.key", kind.key_type), (f"{path}.key_value.value", kind.item_type)]
    if pa.types.is_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    return [(path, kind)]


def read_files(
    ws: Workspace,
    table: str,
    files: Sequence[DataFile],
    columns: list[str] | None,
    filter: pc.Expression | None,
) -> pa.Table:
    """Read rows of some files into memory.

    Raises: NotFoundError - a file was erased. WorkspaceError - one is damaged.
    """
    schema = TABLES[table]
    selection = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    if not files:
        return pa.Table.from_batches([], selection)
    with reading_errors(ws, table):
        if filter is None and ws.is_local and len(files) <= _SINGLE_FILES:
            return pa.concat_tables(_read_file(ws, table, file, selection) for file in files)
        return _scan(ws, table, files, selection, filter)


@contextmanager
def reading_errors(ws: Workspace, table: str) -> Iterator[None]:
    """Turn errors from files of a table into the user's terms.

    Raises: NotFoundError - a file was erased. WorkspaceError - one is damaged.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise _erased(ws, table) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise WorkspaceError(f"table {table} of {ws.root} cannot be read: {message_of(error)}") from error


def _read_file(ws: Workspace, table: str, file: DataFile, selection: pa.Schema) -> pa.Table:
    with open_file(ws, table, file.name) as opened:
        return with_columns(opened.read(held_columns(opened, selection)), selection)


def held_columns(opened: pq.ParquetFile, selection: pa.Schema) -> list[str]:
    """Return the columns of a selection that a file has: one from before a column was added lacks it.

    Raises: KeyError - it lacks one that is never null.
    """
    held = set(opened.schema_arrow.names)
    if lost := [column.name for column in selection if column.name not in held and not column.nullable]:
        raise KeyError(lost[0])
    return [name for name in selection.names if name in held]


def with_columns(rows: pa.Table, selection: pa.Schema) -> pa.Table:
    """Return the rows with the columns of a selection, in their order and of their types; null where they lack one."""
    for field in selection:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select(selection.names).cast(selection)


def _scan(
    ws: Workspace, table: str, files: Sequence[DataFile], selection: pa.Schema, filter: pc.Expression | None
) -> pa.Table:
    import pyarrow.dataset as ds  # with it comes pandas, for which small answers need not wait

    paths = [ws.path(table, file.name) for file in files]
    source = ds.dataset(paths, schema=TABLES[table], format="parquet", filesystem=ws.arrow_filesystem())
    return source.to_table(columns=selection.names, filter=filter).cast(selection)


def stream_file(ws: Workspace, table: str, file: DataFile, columns: list[str] | None) -> Iterator[pa.Table]:
    """Yield rows of one file, one row group after the other, cast to the table's schema.

    Raises: NotFoundError - the file was erased. WorkspaceError - it is damaged.
    """
    schema = TABLES[table]
    selection = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        opened = open_file(ws, table, file.name)
    except FileNotFoundError as error:
        raise _erased(ws, table) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise _damaged(ws, table, file, error) from error
    with opened:
        for number in range(opened.num_row_groups):
            try:
                rows = opened.read_row_group(number, columns=held_columns(opened, selection), use_threads=False)
                rows = with_columns(rows, selection)
            except (OSError, KeyError, pa.ArrowInvalid) as error:
                raise _damaged(ws, table, file, error) from error
            yield rows


def _damaged(ws: Workspace, table: str, file: DataFile, error: Exception) -> WorkspaceError:
    return WorkspaceError(f"{ws.path(table, file.name)} cannot be read, so its clips must be made anew: {error}")


def _erased(ws: Workspace, table: str) -> NotFoundError:
    return NotFoundError(f"files of this version of {table} in {ws.root} are gone: too old, or lost")


def open_file(ws: Workspace, table: str, name: str, pre_buffer: bool = False) -> pq.ParquetFile:
    """Open one data file for reading. pre_buffer: fetch the columns of a read together, which saves a store requests.

    Raises: FileNotFoundError - it is not there any more.
    """
    return pq.ParquetFile(ws.path(table, name), filesystem=ws.arrow_filesystem(), pre_buffer=pre_buffer)
