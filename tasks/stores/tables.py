"""Rows in and out of the Delta tables. Every change is one transaction; an unchanged table keeps its version."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.tables import TABLES

from . import delta
from .delta import DataFile, Snapshot, TableChange, snapshot, transact
from .parquet import PAYLOAD, read_files, same_rows, stream_file, write_file, write_rows
from .workspace import Workspace

TableVersion = int | Sequence[DataFile]
"""Number of a version in the table's log, or the files that a release names, which the log may know no more."""

COMPACT_ABOVE_FILES: Final = 32

LARGE_FILE_BYTES: Final = 32 << 20
"""A file this large is not compacted any more, so the cost of a commit does not grow with its table."""

_ORDER: Final = {"catalog": ("uri",), "clips": ("uri", "start_frame", "clip_id")}
"""Order of the rows of a compacted file, so that a row group holds few addresses."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """Size of a version of a table, by its log; version: None before the first row."""

    name: str
    rows: int
    files: int
    bytes: int
    version: int | None


def version(ws: Workspace, table: str) -> int:
    """Return the newest version of a table; 0 is the empty one it starts with."""
    return snapshot(ws, table).version


def size(ws: Workspace, table: str) -> TableSize:
    """Return bytes, files and rows of a table, without reading data; a table that is not there is not created.

    Raises: WorkspaceError - the log is unreadable.
    """
    if not delta.exists(ws, table):
        return TableSize(table, 0, 0, 0, None)
    newest = snapshot(ws, table)
    rows, size = sum(file.rows for file in newest.files), sum(file.size_bytes for file in newest.files)
    return TableSize(table, rows, len(newest.files), size, newest.version)


def file_names(ws: Workspace, table: str) -> list[str]:
    """Return names of the files that a table holds, sorted."""
    return [file.name for file in snapshot(ws, table).files]


def read(
    ws: Workspace,
    table: str,
    columns: list[str] | None = None,
    version: TableVersion | None = None,
    filter: pc.Expression | None = None,
) -> pa.Table:
    """Read rows of a table into memory: for `catalog`, `clips` and `releases`, or for narrow columns.

    Raises: NotFoundError - there is no such version, or its files were erased.
    """
    files = files_of(ws, table, version)
    return read_files(ws, table, files, columns, filter)


def files_of(ws: Workspace, table: str, version: TableVersion | None = None) -> Sequence[DataFile]:
    """Return the files of a version, by name; without one, of the newest.

    Raises: NotFoundError - there is no such version. WorkspaceError - the table cannot be read.
    """
    return snapshot(ws, table, version).files if version is None or isinstance(version, int) else version


def files_now(ws: Workspace, table: str) -> Sequence[DataFile]:
    """Return the files of the newest version; none where the table is not there yet. Raises: WorkspaceError."""
    return snapshot(ws, table).files if delta.exists(ws, table) else ()


def read_any(
    ws: Workspace, table: str, columns: list[str] | None = None, filter: pc.Expression | None = None
) -> pa.Table:
    """Read the newest version as `read` does; no rows where the table is not there yet, which is not created by asking.
    Raises: WorkspaceError.
    """
    files = files_now(ws, table)
    return read_files(ws, table, files, columns, filter)


def batches(
    ws: Workspace,
    table: str,
    version: TableVersion | None = None,
    columns: list[str] | None = None,
    keep: Callable[[DataFile], bool] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield rows of a table a few at a time, in the order of file names; one row group is in memory.

    `keep` selects files by their entries in the log.

    Raises: NotFoundError - there is no such version, or its files were erased. WorkspaceError - a file is damaged.
    """
    for file in files_of(ws, table, version):
        if keep is None or keep(file):
            for rows in stream_file(ws, table, file, columns):
                yield from rows.to_batches()


def append_rows(
    ws: Workspace, table: str, rows: pa.Table, unless: Callable[[Snapshot], bool] = lambda before: False
) -> int:
    """Add rows, unless the newest state forbids it; return the table's version.

    Raises: pyarrow.ArrowInvalid - rows do not fit the schema. WorkspaceError - the table cannot be written.
    """
    if not rows.num_rows:
        return version(ws, table)
    return transact(
        ws,
        table,
        lambda before: None if unless(before) else TableChange(write_rows(ws, table, before.version + 1, rows)),
    )


def append_after(ws: Workspace, table: str, make: Callable[[pa.Table], pa.Table]) -> int:
    """Add rows that depend on the rows there are; `make` is called again if another process was faster.

    Raises: pyarrow.ArrowInvalid - rows do not fit the schema. WorkspaceError - the table cannot be written.
    """

    def plan(before: Snapshot) -> TableChange:
        return TableChange(
            write_rows(ws, table, before.version + 1, make(read_files(ws, table, before.files, None, None)))
        )

    return transact(ws, table, plan)


def replace_rows(ws: Workspace, table: str, rows: pa.Table, key: str, also: Collection[str] = ()) -> int:
    """Replace all rows that have one of the keys of `rows`, in one transaction; return the version.

    Several new rows may share a key (the clips of one media). Rows that are there already, unchanged, stay.
    `also`: further keys whose rows go.

    Raises: pyarrow.ArrowInvalid - rows do not fit the schema. WorkspaceError - the table cannot be written.
    """
    keys = {*rows[key].to_pylist(), *also}
    fresh = rows.select(TABLES[table].names).cast(TABLES[table])

    def plan(before: Snapshot) -> TableChange | None:
        hit = _files_with(ws, table, before, key, keys)
        if (
            hit
            and fresh.num_rows
            and same_rows(read_files(ws, table, tuple(hit), None, pc.field(key).isin(_texts(keys))), fresh)
        ):
            return None
        rewritten = [rewrite(ws, table, file, lambda piece: without(piece, key, keys)) for file in hit]
        return TableChange(
            (*write_rows(ws, table, before.version + 1, fresh), *(file for file in rewritten if file)), tuple(hit)
        )

    return transact(ws, table, plan)


def delete_rows(ws: Workspace, table: str, key: str, values: Collection[str]) -> int:
    """Remove all rows whose `key` is one of `values`; return the table's version.

    The files stay on disk for the versions that name them: vacuum.py removes those.

    Raises: WorkspaceError - the table cannot be written.
    """
    return replace_rows(ws, table, TABLES[table].empty_table(), key, also=values)


def update_columns(ws: Workspace, table: str, changes: pa.Table, key: str = "clip_id") -> int:
    """Set the columns of `changes` on the rows it names by `key`; return the table's version.

    Only files with a row that really changes are written anew. Keys that are not there are ignored.
    Raises: pyarrow.ArrowInvalid - values do not fit the schema. ValueError - a key stands twice in `changes`.
    WorkspaceError - the table cannot be written.
    """
    keys = changes[key].to_pylist()
    if len(set(keys)) != len(keys):
        raise ValueError(f"update of {table}: a {key} stands twice")
    return change_rows(ws, table, lambda rows: _updated(rows, changes, key), key, keys)


def change_rows(
    ws: Workspace, table: str, change: Callable[[pa.Table], pa.Table], key: str, values: Collection[str]
) -> int:
    """Change the files that hold a row whose `key` is one of the values, in one transaction; return the version.

    `change` gets all rows of such a file; a file whose rows stay as they are is not written anew.

    Raises: pyarrow.ArrowInvalid - rows do not fit the schema. WorkspaceError - the table cannot be written.
    """

    def plan(before: Snapshot) -> TableChange:
        added: list[DataFile] = []
        removed: list[DataFile] = []
        for file in _files_with(ws, table, before, key, set(values)):
            old = read_files(ws, table, (file,), None, None)
            new = change(old)
            if not same_rows(old, new):
                added += write_rows(ws, table, before.version + 1, new)
                removed.append(file)
        return TableChange(tuple(added), tuple(removed))

    return transact(ws, table, plan)


def compact(ws: Workspace, table: str, above: int = COMPACT_ABOVE_FILES) -> int:
    """Merge the small files of a small-row table into one if it has more than `above` of them; return the version.

    Large ones stay as they are, and no more is merged at a time than makes two of those, so memory and time are
    bounded however many rows there are. Older versions stay readable: nothing is removed from disk but by vacuum.py.

    Raises: ValueError - a payload table. WorkspaceError - the table cannot be written.
    """
    if table in PAYLOAD:
        raise ValueError(f"{table} is not compacted: its files are named by media")

    def plan(before: Snapshot) -> TableChange | None:
        small = sorted(
            (file for file in before.files if file.size_bytes < LARGE_FILE_BYTES), key=attrgetter("size_bytes")
        )
        if len(small) <= above:
            return None
        sizes = accumulate(file.size_bytes for file in small)
        gathered = tuple(file for file, size in zip(small, sizes, strict=True) if size <= 2 * LARGE_FILE_BYTES)
        rows = in_order(read_files(ws, table, gathered, None, None), _ORDER.get(table, ()))
        return TableChange(write_rows(ws, table, before.version + 1, rows), gathered, same_rows=True)

    return transact(ws, table, plan)


def in_order(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return rows in ascending order of some columns. Not by `sort_by`, which loads pandas."""
    keys: list[tuple[str, Any]] = [(name, "ascending") for name in columns]
    return rows.take(pc.sort_indices(rows, sort_keys=keys)) if keys else rows


def _files_with(ws: Workspace, table: str, before: Snapshot, key: str, values: set[str]) -> list[DataFile]:
    ordered, value_set = sorted(values), _texts(values)
    matching = []
    for file in before.files:
        if file.may_hold(key, ordered):
            column = read_files(ws, table, (file,), [key], None)[key]
            if pc.any(pc.is_in(column, value_set=value_set)).as_py():
                matching.append(file)
    return matching


def rewrite(ws: Workspace, table: str, file: DataFile, change: Callable[[pa.Table], pa.Table]) -> DataFile | None:
    """Write a changed copy of a file, which no transaction names yet; None if no row is left. Equal changes give the
    same file.

    Raises: NotFoundError - the file was erased. WorkspaceError - it is damaged, or the copy cannot be written.
    """
    stem = file.name.removesuffix(".parquet").split("~")[0]
    pieces = (change(piece) for piece in stream_file(ws, table, file, None))
    return write_file(ws, table, f"{stem}~{{content}}.parquet", pieces)


def without(rows: pa.Table, key: str, values: set[str]) -> pa.Table:
    """Return the rows whose `key` is none of the values."""
    return rows.filter(pc.invert(pc.is_in(rows[key], value_set=_texts(values))))


def _updated(rows: pa.Table, changes: pa.Table, key: str) -> pa.Table:
    places = pc.index_in(rows[key], value_set=changes[key].combine_chunks())
    named = pc.is_valid(places)
    for name in changes.column_names:
        if name != key:
            number, field = rows.schema.get_field_index(name), rows.schema.field(name)
            fresh = changes[name].cast(field.type).combine_chunks().take(places)
            rows = rows.set_column(number, field, pc.if_else(named, fresh, rows[name]))
    return rows


def _texts(values: set[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())
