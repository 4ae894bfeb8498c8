"""Tables of lines that stand by: where they are, and their move to the place of the tables in use.

A line is what one extractor made. It is filled in tables of its own, in the folder `standby` of the workspace, while
the tables in use stay as they are. To switch to it, its data files get second names in the folders of the tables in
use (copies, in a remote store), then each table names these instead of what it had. Every step may be done twice: a
switch that was killed is finished by doing it again, as long as the line still stands by.
"""

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from heterodub.schemas.display import message_of
from heterodub.schemas.errors import NotFoundError, WorkspaceError

from . import tables, vacuum
from .delta import DataFile, Snapshot, TableChange, transact
from .parquet import put_in_place, unfinished_file
from .remote import as_os_errors
from .workspace import LINE_TABLES, STANDBY, Workspace

_COPIES_AT_ONCE: Final = 16

LineFiles = Mapping[str, Sequence[DataFile]]
"""Data files by table."""


def standing_by(ws: Workspace) -> tuple[Workspace, ...]:
    """Return the workspace with the tables of each line that stands by, in order of name.

    Raises: WorkspaceError - the workspace cannot be read.
    """
    files, place = ws.filesystem(), ws.path(STANDBY)
    try:
        with as_os_errors():
            entries = files.ls(place, detail=False) if files.exists(place) else []
    except OSError as error:
        raise WorkspaceError(f"{place} cannot be read: {message_of(error)}") from error
    names = sorted({str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries} - {STANDBY})
    return tuple(ws.of_line(name) for name in names)


def lines_beside(ws: Workspace) -> tuple[Workspace, ...]:
    """Return the workspace with the tables of each other line: those in use, and those that stand by.

    Raises: WorkspaceError - the workspace cannot be read.
    """
    return tuple(line for line in (ws.of_line(""), *standing_by(ws)) if line != ws)


def is_there(line: Workspace) -> bool:
    """Return True if the line has tables that stand by."""
    return bool(line.filesystem().exists(line.path(STANDBY, line.line)))


def files_of_line(line: Workspace, versions: Mapping[str, int]) -> LineFiles:
    """Return the files of a line's tables: of these versions, else of the newest.

    Raises: NotFoundError - there is no such version. WorkspaceError - a table cannot be read.
    """
    return {table: tables.files_of(line, table, versions.get(table)) for table in LINE_TABLES}


def begun_switch(ws: Workspace, in_use: str) -> str | None:
    """Return the line that a switch was begun to, and not ended: tables in use name files of it. in_use: the line that
    is published.

    Raises: WorkspaceError - a table cannot be read.
    """
    for line in standing_by(ws):
        for table in LINE_TABLES if line.line != in_use else ():
            if not set(tables.file_names(ws, table)).isdisjoint(tables.file_names(line, table)):
                return line.line
    return None


def switch_tables(line: Workspace, files: LineFiles) -> dict[str, int]:
    """Let the tables in use name these files of a line that stands by, and no others; return their versions.

    The files that they named stay on the disk for releases. The line keeps its tables: `clear` empties them.

    Raises: NotFoundError - a takedown has erased one of the files; nothing was switched. WorkspaceError - a file cannot
    be copied, or a table cannot be written.
    """
    in_use = line.of_line("")
    for table in LINE_TABLES:
        give_names(line, in_use, table, files[table])
    return {table: transact(in_use, table, partial(_instead, files[table])) for table in LINE_TABLES}


def clear(line: Workspace, files: LineFiles) -> None:
    """Take files that were switched to out of the tables that stand by. What was stored since stays there.

    Raises: WorkspaceError - a table cannot be written, or a file cannot be deleted.
    """
    for table in LINE_TABLES:
        names = {file.name for file in files[table]}

        def without(before: Snapshot, names: Collection[str] = names) -> TableChange:
            return TableChange(remove=tuple(file for file in before.files if file.name in names))

        transact(line, table, without)
        vacuum.erase(line, table)


def _instead(files: Sequence[DataFile], before: Snapshot) -> TableChange:
    new, old = ({(file.name, file.size_bytes) for file in some} for some in (files, before.files))
    return TableChange(
        tuple(file for file in files if (file.name, file.size_bytes) not in old),
        tuple(file for file in before.files if (file.name, file.size_bytes) not in new),
    )


def give_names(line: Workspace, in_use: Workspace, table: str, files: Sequence[DataFile]) -> None:
    """Let the files of a line lie in the folder of the table in use, too.

    Raises: NotFoundError - one was erased. WorkspaceError - one cannot be copied.
    """
    pairs = [(line.path(table, file.name), in_use.path(table, file.name)) for file in files]
    try:
        with as_os_errors():
            if line.is_local:
                for source, target in pairs:
                    _link(in_use, Path(source), Path(target))
                return
            store = line.filesystem()
            with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
                for _ in pool.map(partial(_copy, store), *zip(*pairs, strict=True)) if pairs else ():
                    pass
    except OSError as error:
        text = f"{table} of line {line.line} cannot take its place in {in_use.root}: {message_of(error)}"
        raise (NotFoundError if isinstance(error, FileNotFoundError) else WorkspaceError)(text) from error


def _link(ws: Workspace, source: Path, target: Path) -> None:
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a disk without links
        copy = unfinished_file(ws)
        shutil.copyfile(source, copy)
        put_in_place(ws, copy, str(target))


def _copy(store: Any, source: str, target: str) -> None:
    if not store.exists(target) or store.size(target) != store.size(source):
        store.cp_file(source, target)  # within the store
