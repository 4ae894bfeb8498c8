"""Removal of files that no table needs: of versions that nobody needs, and of writers that were killed."""

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import message_of
from heterodub.schemas.errors import WorkspaceError

from . import tables
from .delta import dead_files
from .folders import files_in_folder
from .parquet import PAYLOAD, open_file
from .remote import as_os_errors
from .removal import remove
from .workspace import Workspace


def erase(ws: Workspace, table: str, keep: Collection[str] = (), older_than_days: int = 0) -> list[str]:
    """Delete from disk the files that the newest version does not name, that are not among the names `keep`, and that
    were removed from the table so many days ago; return their names.

    With 0 days this completes a takedown. All other old versions become unreadable. Files that workers wrote
    and no transaction has named yet are left alone.

    Raises: WorkspaceError - the table cannot be read, or a file cannot be deleted.
    """
    files = ws.filesystem()
    gone = []
    try:
        with as_os_errors():
            dead = dead_files(ws, table, 24 * older_than_days) - set(keep)
            for name in sorted(dead & files_in_folder(ws, table).keys()):
                with suppress(FileNotFoundError):  # another process erases, too
                    if not older_than_days or _age(files, ws.path(table, name)) > timedelta(older_than_days):
                        remove(ws, table, name)
                        gone.append(name)
    except OSError as error:
        text = f"old files of table {table} of {ws.root} cannot be erased: {message_of(error)}"
        raise WorkspaceError(text) from error
    return gone


def _age(files: Any, path: str) -> timedelta:
    """Age of a file on disk. A part may come back under the name of one that was removed long ago."""
    modified: datetime = files.modified(path)
    return datetime.now(UTC) - modified


def strays(ws: Workspace, table: str, key: str, values: Collection[str], keep: Collection[str] = ()) -> list[str]:
    """List files in the table's folder that hold one of the values and are named neither by the newest version nor in
    `keep`: those of older versions, and of writers that were killed.

    Raises: WorkspaceError - the table cannot be read.
    """
    if table in PAYLOAD and key != "media_id":
        raise ValueError(f"files of {table} are distinguished by media_id, not by {key}")
    named = {*tables.file_names(ws, table), *keep}
    gone = set(values)
    return [name for name in sorted(files_in_folder(ws, table).keys() - named) if _holds(ws, table, name, key, gone)]


def _holds(ws: Workspace, table: str, name: str, key: str, values: set[str]) -> bool:
    """Return True if a file has a row with one of the values; one that cannot be read is assumed to have one."""
    try:
        with open_file(ws, table, name) as opened:
            column = opened.read(columns=[key])[key]
    except (OSError, pa.ArrowInvalid):
        return True
    return bool(pc.any(pc.is_in(column, value_set=pa.array(sorted(values), pa.string()))).as_py())
