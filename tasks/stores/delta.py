"""The Delta log: which Parquet files a version of a table holds, and how to change that in one transaction.

Two traps of deltalake 1.6 shape this module:

* Its pyarrow file system (behind `to_pyarrow_table`, `to_pyarrow_dataset`, `to_pandas`) makes the interpreter abort
  at exit ("terminate called without an active exception", exit code 134) in about one process of four. So Delta
  only gives us the names of files; pyarrow reads them through a file system of its own.
* `file_uris()` percent-encodes local paths; the names in the log, joined to the workspace's own path, are right.

Every data file is written by this project with pyarrow, also when rows are replaced: a transaction adds new files
and removes the ones they stand for. So all files of a table have one schema and one encoding.
"""

import json
import logging
import random
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.tables import TABLES

from .remote import as_os_errors
from .workspace import Workspace

_LOG: Final = logging.getLogger(__name__)
_ATTEMPTS: Final = 100
_STORE_FAILURES: Final = 6
"""Times that a commit may fail without a concurrent writer. Before each of them Delta has tried the store ten times."""
_BROKEN_OFF: Final = ("error reading a body", "request or response body error")
"""In the text of an answer that was cut off. Delta retries what is refused, not what ends too early."""
_COMMITTER: Final = "heterodub.commit"
"""Key under which each commit stores a random id, by which it is recognised: a commit that was made, and whose
answer was lost, is refused as another writer's when Delta makes it once more."""
BOUNDED: Final = ("media_id", "clip_id", "uri", "corpus")
"""Columns of which the log keeps each file's smallest and largest value. Flags and splits are mixed in every file."""
_ACTION_COLUMNS: Final = (
    *("path", "size_bytes", "num_records"),
    *(f"{side}.{column}" for column in BOUNDED for side in ("min", "max")),
)
_DRAWN: Final = re.compile(r"\x1b\[[0-9;]*m|\u21b3")
ERRORS: Final = (DeltaError, OSError)
_RETENTION_DAYS: Final = 7  # of a new table, until shorten_log sets that of the settings


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table. `bounds` holds the smallest and largest value of columns, where known."""

    name: str
    size_bytes: int
    rows: int
    bounds: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def may_hold(self, column: str, values: Sequence[str]) -> bool:
        """Return True if a row with one of these values can be inside; False only if the bounds exclude it.

        values: in ascending order, so that many of them are searched as quickly as one.
        """
        if column not in self.bounds:
            return True
        low, high = self.bounds[column]
        place = bisect_left(values, low)
        return place < len(values) and values[place] <= high


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of one version of a table, by name."""

    version: int
    files: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class TableChange:
    """Files to add and to remove in one transaction. `same_rows`: only their arrangement changes."""

    add: tuple[DataFile, ...] = ()
    remove: tuple[DataFile, ...] = ()
    same_rows: bool = False


def load(ws: Workspace, table: str, version: int | None = None) -> DeltaTable:
    """Open the Delta table at a version (without one: the newest), created empty if it is not there yet.

    Raises: NotFoundError - there is no such version. WorkspaceError - the table cannot be read.
    """
    failures = 0
    while True:
        try:
            return _open(ws, table, version)
        except TableNotFoundError:
            raise NotFoundError(f"table {table} of {ws.root} has no version {version}") from None
        except OSError as error:
            if not any(words in str(error) for words in _BROKEN_OFF):
                raise WorkspaceError(f"table {table} of {ws.root} cannot be read: {_words(error)}") from error
            failures += 1
            _back_off(ws, table, "read", error, failures)
        except DeltaError as error:
            if version is not None:
                raise NotFoundError(f"table {table} of {ws.root} has no version {version}: {_words(error)}") from error
            raise WorkspaceError(f"table {table} of {ws.root} cannot be read: {_words(error)}") from error


def _open(ws: Workspace, table: str, version: int | None) -> DeltaTable:
    try:
        return DeltaTable(ws.table_uri(table), version=version, storage_options=ws.storage_options)
    except TableNotFoundError:
        if version:
            raise
        return _create(ws, table)


def exists(ws: Workspace, table: str) -> bool:
    """Return True if the workspace has this table yet. Checking does not create it."""
    return bool(ws.filesystem().exists(ws.path(table, "_delta_log")))


def _create(ws: Workspace, table: str) -> DeltaTable:
    uri, options = ws.table_uri(table), ws.storage_options
    try:
        return DeltaTable.create(
            uri, schema=TABLES[table], mode="ignore", configuration=_retention(_RETENTION_DAYS), storage_options=options
        )
    except DeltaError:
        return DeltaTable(uri, storage_options=options)  # another process made it in between


def _retention(days: int) -> dict[str, str]:
    """Return a table's properties. Log entries and files go by our word, not by themselves with a checkpoint."""
    durations = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")
    return {"delta.enableExpiredLogCleanup": "false", **dict.fromkeys(durations, f"interval {days} days")}


def shorten_log(ws: Workspace, table: str, days: int) -> None:
    """Delete log entries older than so many days and than the last checkpoint before; versions of then are gone.

    Raises: WorkspaceError - the log cannot be read or written.
    """
    delta, wanted = load(ws, table), _retention(days)
    try:
        if not wanted.items() <= delta.metadata().configuration.items():
            delta.alter.set_table_properties(wanted)
        delta.cleanup_metadata()
    except ERRORS as error:
        raise WorkspaceError(f"the log of table {table} of {ws.root} cannot be shortened: {_words(error)}") from error


def snapshot(ws: Workspace, table: str, version: int | None = None) -> Snapshot:
    """List the files of a version of a table. Reads the log only.

    Raises: NotFoundError - there is no such version. WorkspaceError - the table cannot be read.
    """
    return _snapshot(load(ws, table, version))


def _snapshot(delta: DeltaTable) -> Snapshot:
    actions = pa.RecordBatchReader.from_stream(delta.get_add_actions(flatten=True)).read_all()  # pa.table loads pandas
    named = set(actions.column_names)  # asked once: it is made anew each time
    narrow = actions.select([name for name in _ACTION_COLUMNS if name in named])
    files = sorted((_data_file(delta.table_uri, action) for action in narrow.to_pylist()), key=lambda file: file.name)
    return Snapshot(delta.version(), tuple(files))


def _data_file(uri: str, action: Mapping[str, Any]) -> DataFile:
    bounds = {}
    for column in BOUNDED:
        low, high = action.get(f"min.{column}"), action.get(f"max.{column}")
        if low is not None and high is not None:
            bounds[column] = (low, high)
    path, size_bytes, rows = (action.get(name) for name in ("path", "size_bytes", "num_records"))
    if not path or "/" in path or size_bytes is None or rows is None:
        raise WorkspaceError(
            f"{uri}: its log names {path!r}, which is no file of the table's folder, or lacks its size: damaged, or "
            "written by others"
        )
    return DataFile(path, size_bytes, rows, bounds)


def transact(ws: Workspace, table: str, plan: Callable[[Snapshot], TableChange | None]) -> int:
    """Change a table in one transaction and return its version.

    `plan` gets the newest state and returns what to change, or None for nothing. If another process commits in
    between, nothing is changed and `plan` is called again, so what it got is always what it changes.

    Raises: WorkspaceError - the log cannot be written.
    """
    commit_id, failures, first = uuid4().hex, 0, None
    for attempt in range(_ATTEMPTS):
        delta = load(ws, table)
        before = _snapshot(delta)
        first = before.version if first is None else first
        try:
            if (version := _made_already(ws, table, first, before.version, commit_id)) is not None:
                return version
            change = plan(before)
        except OSError as error:
            raise WorkspaceError(f"table {table} of {ws.root} cannot be written: {_words(error)}") from error
        if change is None or not (change.add or change.remove):
            return before.version
        try:
            _commit(delta, change, commit_id)
        except ERRORS as error:
            if load(ws, table).version() == before.version:
                failures += 1
                _back_off(ws, table, "changed", error, failures)
            _LOG.debug("version %d of table %s was not made, trying again: %s", before.version + 1, table, error)
            time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 20)))
        else:
            return before.version + 1
    raise WorkspaceError(f"table {table} of {ws.root}: other processes changed it {_ATTEMPTS} times in a row")


def dead_files(ws: Workspace, table: str, hours: int) -> set[str]:
    """Return names of files that were removed from the table so many hours ago; of more than none, also of files that
    the log does not know, or knows no more, and that are so old.

    Delta only lists them, and deletes nothing itself: it would write two versions of the table each time, and go
    through every file that was ever erased.

    Raises: WorkspaceError - the table cannot be read.
    """
    failures = 0
    while True:
        delta = load(ws, table)
        try:
            listed = delta.vacuum(hours, True, enforce_retention_duration=False, full=hours > 0)
        except ERRORS as error:  # a list that was cut off comes as either
            failures += 1
            _back_off(ws, table, "read", error, failures)
        else:
            return {name.rsplit("/", 1)[-1] for name in listed}


def _commit(delta: DeltaTable, change: TableChange, commit_id: str) -> None:
    properties = CommitProperties(max_commit_retries=0, custom_metadata={_COMMITTER: commit_id})  # refuse, not rebase
    delta.create_write_transaction(_actions(change), "append", delta.schema(), commit_properties=properties)


def _made_already(ws: Workspace, table: str, first: int, newest: int, commit_id: str) -> int | None:
    """Return the version that our commit made after all, though it was answered with an error, or not at all.

    Without this check, rows whose commit lost its answer would be appended twice. Not by Delta's history():
    that keeps every other thread of the process waiting while it asks the store.
    """
    for version in range(first + 1, newest + 1):
        with as_os_errors():
            commit = ws.filesystem().cat_file(ws.path(table, "_delta_log", f"{version:020d}.json"))
        if commit_id.encode() in commit:
            return version
    return None


def _back_off(ws: Workspace, table: str, what: str, error: Exception, failures: int) -> None:
    """Wait for an object store to recover, each time twice as long.

    Raises: WorkspaceError - it has failed too often, or the workspace is local, where waiting changes nothing.
    """
    if ws.is_local or failures >= _STORE_FAILURES:
        raise WorkspaceError(f"table {table} of {ws.root} cannot be {what}: {_words(error)}") from error
    time.sleep(random.uniform(0.5, 1) * 0.2 * 2**failures)


def _words(error: Exception) -> str:
    """Message of an error, in one line; Delta draws a coloured tree."""
    message = (isinstance(error, OSError) and error.strerror) or str(error)
    return " ".join(_DRAWN.sub(" ", message).split())


def _actions(change: TableChange) -> list[AddAction | RemoveAction]:
    now_ms, new_rows = int(time.time() * 1000), not change.same_rows
    added = {file.name for file in change.add}
    actions: list[AddAction | RemoveAction] = [
        AddAction(file.name, file.size_bytes, {}, now_ms, new_rows, _statistics(file)) for file in change.add
    ]
    # A file that is added under the name of an old one replaces it by itself.
    actions += [
        RemoveAction(file.name, new_rows, now_ms, file.size_bytes, {})
        for file in change.remove
        if file.name not in added
    ]
    return actions


def _statistics(file: DataFile) -> str:
    low = {column: bounds[0] for column, bounds in file.bounds.items()}
    high = {column: bounds[1] for column, bounds in file.bounds.items()}
    return json.dumps({"numRecords": file.rows, "minValues": low, "maxValues": high})  # nulls are not counted
