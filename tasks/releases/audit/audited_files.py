"""Files that met the audit's checks: the table `audited_files`, so that none is opened twice for the same checks.

A row is a hash of what the file is (table, name, size, time of change or ETag) and of the checks, so a file that was
replaced or cut short, and every file once a check changes, is audited again; and the table names nobody.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.expectations import Suite
from heterodub.schemas.ledger_tables import AUDITED_FILES
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.folders import StoredFile, files_in_folder
from heterodub.tasks.stores.workspace import Workspace

COUNTS_VERSION: Final = 1
"""Version of the code that counts and compares (frames.py, payload.py, pictures.py, row_hashes.py). It is raised when
that code may judge a stored file otherwise: all files are audited again.
"""

_TABLE: Final = "audited_files"
_SPARE_ROWS: Final = 1000
"""Rows of files that are not there any more, beyond as many as files that are, before they are deleted."""

Passed = Mapping[str, int | None]
"""Keys of files that met the checks, with the sum of the hashes of their rows; None: not payload."""


def checks_ids(suites: Sequence[Suite]) -> dict[str, str]:
    """Return, by table, a hash of all that decides if a row passes by itself.

    Of each table alone, so that other settings of clips, which no payload is checked by, do not open it again.
    """
    return {suite.table: _checks_id(suite) for suite in suites}


def _checks_id(suite: Suite) -> str:
    alone = suite.part(across=False)
    return hashlib.sha256(f"{COUNTS_VERSION} {alone!r}".encode()).hexdigest()[:12]


def keys_of(ws: Workspace, table: str, files: Collection[DataFile], checks: str) -> dict[str, str]:
    """Return the key of each file by its name, by a listing of the table's folder; no file is opened.

    Raises: NotFoundError - a file is not there. WorkspaceError - the folder cannot be listed.
    """
    there = files_in_folder(ws, table)
    if lost := sorted(file.name for file in files if file.name not in there):
        raise NotFoundError(f"files of this version of {table} in {ws.root} are gone, such as {lost[0]}")
    return {file.name: _key(table, file.name, there[file.name], checks) for file in files}


def _key(table: str, name: str, stored: StoredFile, checks: str) -> str:
    return hashlib.sha256(f"{checks} {table}/{name} {stored.size_bytes} {stored.mark}".encode()).hexdigest()[:32]


def passed_files(ws: Workspace) -> Passed:
    """Return all files that met the checks.

    Raises: WorkspaceError - the table cannot be read.
    """
    rows = tables.read_any(ws, _TABLE, ["file_key", "rows_hash"])
    sums = (None if text is None else int(text, 16) for text in rows["rows_hash"].to_pylist())
    return dict(zip(rows["file_key"].to_pylist(), sums, strict=True))


def keep_passed(ws: Workspace, fresh: Passed, before: Iterable[str], present: Collection[str]) -> None:
    """Store files that met the checks now. before: keys that are stored; present: those of the files there are.

    Two audits at once may store a file twice, and one may delete what the other has just stored: which costs an audit
    of that file, never one too few.

    Raises: WorkspaceError - the table cannot be written.
    """
    _append(ws, fresh)
    stale = set(before) - set(present)
    if len(stale) > len(present) + _SPARE_ROWS:
        tables.delete_rows(ws, _TABLE, "file_key", stale)


def keep_merged(ws: Workspace, table: str, checks: str, merged: Sequence[tuple[DataFile, Sequence[DataFile]]]) -> None:
    """Store that files met the checks which hold the rows of files that did, copied row group by row group, and no
    others.

    Raises: NotFoundError - a file is not there. WorkspaceError - the table cannot be written.
    """
    keys = keys_of(ws, table, [file for whole, parts in merged for file in (whole, *parts)], checks)
    met = passed_files(ws)
    fresh = {}
    for whole, parts in merged:
        sums = [total for part in parts if (total := met.get(keys[part.name])) is not None]
        if len(sums) == len(parts):
            fresh[keys[whole.name]] = sum(sums) % 2**64
    _append(ws, fresh)


def _append(ws: Workspace, files: Passed) -> None:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [
        {"file_key": key, "rows_hash": None if total is None else f"{total:016x}", "created_utc": created}
        for key, total in files.items()
    ]
    tables.append_rows(ws, _TABLE, pa.Table.from_pylist(rows, schema=AUDITED_FILES))
    tables.compact(ws, _TABLE)
