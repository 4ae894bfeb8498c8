"""Files of releases: the table `release_files` names them, so a release does not need the tables' logs.

A release names lists of files, each of one table. A list is written once, and every later release of which all its
files are still part names it again: a release costs rows for files that are new, and for lists that lost one. Files
that a list names stay on the disk.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.ledger_tables import RELEASE_FILES
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.parquet import PAYLOAD
from heterodub.tasks.stores.scan import pieces
from heterodub.tasks.stores.where import among, equal
from heterodub.tasks.stores.workspace import Workspace

_TABLE: Final = "release_files"
_LIST_FILES: Final = 4096
"""Files of a list at most: what one lost file makes to be written anew."""
_SMALL_LISTS: Final = 8
"""Small lists of a table, of less than half as many, that a release shares; more are written anew as one."""
_BOUNDS: Final = {"media_id": ("first_media", "last_media"), "clip_id": ("first_clip", "last_clip")}
_FILE: Final = ["name", "size_bytes", "rows", *(name for pair in _BOUNDS.values() for name in pair)]

FileKey = tuple[str, str, int]
"""Table, name and size of a file."""


def listed_files(ws: Workspace, file_lists: Collection[str], table: str) -> tuple[DataFile, ...]:
    """Return the files of a table that some lists name, by name.

    Raises: WorkspaceError - the table cannot be read.
    """
    rows = read_listed(ws, file_lists, table, _FILE).to_pylist()
    return tuple(sorted(map(_data_file, rows), key=lambda file: file.name))


def read_listed(
    ws: Workspace, file_lists: Collection[str], table: str, columns: list[str], also: pc.Expression | None = None
) -> pa.Table:
    """Return rows of `release_files` of some lists and a table. also: a condition on them.

    Raises: WorkspaceError - the table cannot be read.
    """
    named = pc.field("file_list").isin(pa.array(sorted(file_lists), pa.string())) & (pc.field("table") == table)
    return tables.read_any(ws, _TABLE, columns, named if also is None else named & also)


def all_listed(ws: Workspace, table: str) -> dict[str, DataFile]:
    """Return the files of a table that any list names, by name.

    Raises: WorkspaceError - the table cannot be read.
    """
    rows = tables.read_any(ws, _TABLE, _FILE, pc.field("table") == table).to_pylist()
    return {row["name"]: _data_file(row) for row in rows}


def clips_listed(ws: Workspace, table: str, files: Sequence[DataFile]) -> dict[str, pa.Array]:
    """Return the clips of those of some files that a list tells them of, by name; in the order of the files' rows.

    Raises: WorkspaceError - the table cannot be read.
    """
    sizes = {file.name: (file.size_bytes, file.rows) for file in files}
    of_table = equal("table", table) & among("name", sizes)
    listed: dict[str, pa.Array] = {}
    for piece in pieces(ws, _TABLE, ["name", "size_bytes", "rows", "clips"], of_table):
        for number, row in enumerate(piece.select(["name", "size_bytes", "rows"]).to_pylist()):
            clips = piece["clips"][number].values
            if (
                clips is not None
                and sizes[row["name"]] == (row["size_bytes"], row["rows"])
                and len(clips) == row["rows"]
            ):
                listed[row["name"]] = clips
    return listed


def lists_naming(ws: Workspace, table: str, names: Collection[str]) -> set[str]:
    """Return the lists that name one of some files of a table.

    Raises: WorkspaceError - the table cannot be read.
    """
    held = (pc.field("table") == table) & pc.field("name").isin(sorted(names))
    return set(tables.read_any(ws, _TABLE, ["file_list"], held)["file_list"].to_pylist()) if names else set()


def write_lists(ws: Workspace, previous: Collection[str], files: Mapping[str, Sequence[DataFile]]) -> tuple[str, ...]:
    """Return lists that together name exactly `files`, by table: those of `previous` that still hold, and new ones.

    Raises: WorkspaceError - the table cannot be written.
    """
    now = {(table, file.name, file.size_bytes): file for table, of_table in files.items() for file in of_table}
    shared = _shared_lists(ws, previous, now.keys())
    covered = {key for keys in shared.values() for key in keys}
    fresh = sorted(now.keys() - covered)
    by_table = [list(keys) for _, keys in groupby(fresh, itemgetter(0))]
    chunks = [keys[start : start + _LIST_FILES] for keys in by_table for start in range(0, len(keys), _LIST_FILES)]
    written, clips = {uuid4().hex[:12]: chunk for chunk in chunks}, _clips_before(ws, previous, fresh)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [
        {"file_list": name, "created_utc": created, "table": key[0], **_cells(ws, key[0], now[key], clips.get(key))}
        for name, chunk in written.items()
        for key in chunk
    ]
    tables.append_rows(ws, _TABLE, pa.Table.from_pylist(rows, schema=RELEASE_FILES))
    tables.compact(ws, _TABLE)
    return (*sorted(shared), *written)


def _shared_lists(ws: Workspace, previous: Collection[str], now: Collection[FileKey]) -> dict[str, set[FileKey]]:
    named = pc.field("file_list").isin(sorted(previous))
    columns = ["file_list", "table", "name", "size_bytes"]
    lists: dict[str, set[FileKey]] = {}
    for row in tables.read_any(ws, _TABLE, columns, named).to_pylist() if previous else []:
        lists.setdefault(row["file_list"], set()).add((row["table"], row["name"], row["size_bytes"]))
    whole = {name: keys for name, keys in lists.items() if keys <= set(now)}
    small: dict[str, list[str]] = {}
    for name, keys in whole.items():
        if len(keys) < _LIST_FILES // 2:
            small.setdefault(next(iter(keys))[0], []).append(name)
    anew = {name for names in small.values() if len(names) > _SMALL_LISTS for name in names}
    return {name: keys for name, keys in whole.items() if name not in anew}


def _clips_before(ws: Workspace, previous: Collection[str], fresh: Sequence[FileKey]) -> dict[FileKey, list[str]]:
    """Return the clips of merged files that earlier lists name, which need not be opened again."""
    names = pa.array([name for table, name, _ in fresh if table in PAYLOAD], pa.string())
    if not (previous and len(names)):
        return {}
    of_them = pc.field("file_list").isin(sorted(previous)) & pc.field("name").isin(names)
    columns = ["table", "name", "size_bytes", "clips"]
    rows = tables.read_any(ws, _TABLE, columns, of_them & pc.field("clips").is_valid()).to_pylist()
    return {(row["table"], row["name"], row["size_bytes"]): row["clips"] for row in rows}


def replace_files(ws: Workspace, table: str, changes: Mapping[str, DataFile | None]) -> None:
    """Let every list name other files of a table, by the old file's name; None: no file.

    Raises: WorkspaceError - the table cannot be written.
    """
    cells = {old: None if file is None else _cells(ws, table, file) for old, file in changes.items()}

    def change(rows: pa.Table) -> pa.Table:
        listed = []
        for row in rows.to_pylist():
            new = cells[row["name"]] if row["table"] == table and row["name"] in cells else {}
            if new is not None:
                listed.append(row | new)
        return pa.Table.from_pylist(listed, schema=RELEASE_FILES)

    if changes:
        tables.change_rows(ws, _TABLE, change, key="name", values=changes.keys())


def drop_lists(ws: Workspace, keep: Collection[str], before_utc: str) -> None:
    """Delete lists that are not among `keep` and are older than that: of a publish that was killed.

    Raises: WorkspaceError - the table cannot be written.
    """
    rows = tables.read_any(ws, _TABLE, ["file_list"], pc.field("created_utc") < before_utc)
    if unnamed := set(rows["file_list"].to_pylist()) - set(keep):
        tables.delete_rows(ws, _TABLE, "file_list", unnamed)


def _cells(ws: Workspace, table: str, file: DataFile, clips: list[str] | None = None) -> dict[str, Any]:
    """Return the columns of a file's row. clips: those of a merged file, by row group; None: unknown, so read."""
    low, high = file.bounds.get("media_id", ("", ""))
    cells: dict[str, Any] = {"name": file.name, "size_bytes": file.size_bytes, "rows": file.rows, "clips": clips}
    for column, pair in _BOUNDS.items():
        cells |= dict(zip(pair, file.bounds.get(column, (None, None)), strict=True))
    if clips is None and table in PAYLOAD and low != high:  # merged: a clip a row group, in this order
        cells["clips"] = tables.read(ws, table, ["clip_id"], (file,))["clip_id"].to_pylist()
    return cells


def _data_file(row: Mapping[str, Any]) -> DataFile:
    bounds = {column: (row[low], row[high]) for column, (low, high) in _BOUNDS.items() if row[low] is not None}
    return DataFile(row["name"], row["size_bytes"], row["rows"], bounds)
