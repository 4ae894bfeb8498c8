"""Check of the tables' files: all are there, as they were written, and can be read."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import pyarrow as pa

from heterodub.schemas.display import counted, message_of
from heterodub.schemas.errors import HeterodubError, WorkspaceError
from heterodub.schemas.tables import TABLES
from heterodub.tasks.inspect import findings
from heterodub.tasks.inspect.check_log import require_whole_log
from heterodub.tasks.inspect.findings import Finding
from heterodub.tasks.releases.release_files import clips_listed
from heterodub.tasks.stores import delta, tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.parquet import PAYLOAD
from heterodub.tasks.stores.remote import as_os_errors
from heterodub.tasks.stores.scan import pieces
from heterodub.tasks.stores.workspace import STANDBY, Workspace

RESTORE: Final = "restore the workspace from a copy, or ingest into a new one"
_EXAMPLES: Final = 3
_CONTENT: Final = re.compile(r"(?:rows-\d{8}-|.*~)([0-9a-f]{16})\.parquet")
"""Names of files that hold the start of the sha256 of what was written."""
_END: Final = b"PAR1"


def _no_clips() -> pa.ChunkedArray:
    return pa.chunked_array([], pa.string())


@dataclass(frozen=True, slots=True)
class TableCheck:
    """Finding about a table. clips: ids of the clips that a payload table holds."""

    finding: Finding
    clips: pa.ChunkedArray = field(default_factory=_no_clips)


def check_table(ws: Workspace, table: str) -> TableCheck:
    """Check that every file of the newest version exists, is whole, and can be read."""
    what, clips = f"table {table}" + (f" of {STANDBY}/{ws.line}" if ws.line else ""), _no_clips()
    if not delta.exists(ws, table):
        return TableCheck(findings.good("workspace", what, "not made yet"))
    try:
        require_whole_log(ws, table)
        files = delta.snapshot(ws, table).files
        missing = lost_files(ws, table, files)
        if not missing and table in PAYLOAD:
            clips = _payload_clips(ws, table, files)
        elif not missing:
            _require_as_written(ws, table, files)
    except (HeterodubError, pa.ArrowException, OSError) as error:
        return TableCheck(findings.problem("workspace", what, f"cannot be read: {message_of(error)}", RESTORE))
    fault = f"{counted(len(missing), 'file')} missing or cut short: {some(missing)}" if missing else ""
    rows = counted(sum(file.rows for file in files), "row")
    healthy = f"{rows} in {counted(len(files), 'file')}"
    return TableCheck(findings.checked("workspace", what, fault, RESTORE, healthy), clips)


def lost_files(ws: Workspace, table: str, files: Sequence[DataFile]) -> list[str]:
    """Return the names of files that are missing or of another size than in the log."""
    entries = ws.filesystem().ls(ws.path(table), detail=True)  # one request, not two for each of many files
    sizes = {str(entry["name"]).rsplit("/", 1)[-1]: entry["size"] for entry in entries}
    return [file.name for file in files if sizes.get(file.name) != file.size_bytes]


def some(names: Sequence[str]) -> str:
    """Return a few of some names, in words."""
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")


def _require_as_written(ws: Workspace, table: str, files: Sequence[DataFile]) -> None:
    """Check every byte: of a file whose name holds the hash of its bytes by that, else by reading all of it.

    Raises: WorkspaceError - a file holds other bytes, or cannot be read.
    """
    unnamed = []
    for file in files:
        match = _CONTENT.fullmatch(file.name)
        if match is None:
            unnamed.append(file)
        elif _digest(ws, table, file) != match[1]:
            raise WorkspaceError(f"{ws.path(table, file.name)} holds other bytes than were written")
    for _ in pieces(ws, table, TABLES[table].names, version=unnamed):
        pass


def _digest(ws: Workspace, table: str, file: DataFile) -> str:
    with as_os_errors(), ws.filesystem().open(ws.path(table, file.name), "rb") as opened:
        digest = hashlib.sha256()
        for block in iter(partial(opened.read, 8 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:16]


def _payload_clips(ws: Workspace, table: str, files: Sequence[DataFile]) -> pa.ChunkedArray:
    """Return the clips of a payload table. What a release tells of a merged file was read from it, so that only its end
    is looked at; all other files are read.

    Raises: WorkspaceError, NotFoundError - a file cannot be read.
    """
    listed = clips_listed(ws, table, files)
    for file in files:
        if file.name in listed and not _ends_well(ws, table, file):
            raise WorkspaceError(f"{ws.path(table, file.name)} holds other bytes than were written")
    others = [file for file in files if file.name not in listed]
    read = tables.read(ws, table, ["clip_id"], others)["clip_id"]
    return pa.chunked_array([*listed.values(), *read.chunks], pa.string())


def _ends_well(ws: Workspace, table: str, file: DataFile) -> bool:
    with as_os_errors():
        end = ws.filesystem().cat_file(ws.path(table, file.name), file.size_bytes - len(_END), file.size_bytes)
    return bool(end == _END)
