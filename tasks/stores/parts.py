"""Payload files of `stage1` and `stage2`: written by workers, named by media, committed by the driver.

A part's name follows from what is in it, so a worker that is killed and started again writes the same file once
more, and a part that the log already names is not added twice.
"""

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from heterodub.schemas.display import message_of
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.tables import TABLES
from heterodub.tasks.media.paths import open_to_write

from . import tables
from .delta import DataFile, Snapshot, TableChange, snapshot, transact
from .parquet import PAYLOAD, RowsFile, open_file, put_in_place, unfinished_file
from .workspace import Workspace


@dataclass(frozen=True, slots=True)
class PartFile:
    """A written file that no transaction names yet. All its rows are of one media."""

    name: str
    media_id: str
    size_bytes: int
    rows: int
    first_clip: str
    last_clip: str


def part_name(media_id: str, extractor: str, suffix: str = "") -> str:
    """Return the file name of the clips of one media; `suffix` distinguishes what a later policy admitted.

    Raises: ValueError - a piece is empty or holds a character that file names and logs would have to escape.
    """
    pieces = [media_id, extractor, *([suffix] if suffix else [])]
    if bad := [piece for piece in pieces if not re.fullmatch(r"[A-Za-z0-9._-]+", piece)]:
        raise ValueError(f"a part's name is made of letters, digits, '.', '_' and '-', not {bad[0]!r}")
    return f"part-{'-'.join(pieces)}.parquet"


def find_part(ws: Workspace, table: str, name: str, media_id: str) -> PartFile | None:
    """Find a part that some worker wrote before, whether a transaction names it or not; None without a complete one.

    name: as part_name has it.
    """
    try:
        with open_file(ws, table, name) as opened:
            clips = opened.read(columns=["clip_id"])["clip_id"].to_pylist()
        size = int(ws.filesystem().size(ws.path(table, name)))
    except (OSError, pa.ArrowInvalid):  # not there, or a machine went down while it was written
        return None
    return PartFile(name, media_id, size, len(clips), min(clips), max(clips)) if clips else None


class PartWriter:
    """Worker side: the clips of one media, written into a file clip by clip, so that a two-hour film is never held in
    memory. Leaving the block without rows, or by an error, leaves the file empty.

    Raises: ValueError - rows of other media. pyarrow.ArrowInvalid - rows do not fit the schema. OSError - the file
    cannot be written.
    """

    def __init__(self, table: str, media_id: str, path: Path) -> None:
        self._media_id = media_id
        self._file = open_to_write(path)
        self._rows = RowsFile(table, self._file)

    def add(self, rows: pa.Table) -> None:
        """Add clips of the media."""
        if others := set(rows["media_id"].to_pylist()) - {self._media_id}:
            raise ValueError(f"a part of media {self._media_id} was given rows of {sorted(others)[0]}")
        self._rows.add(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            self._rows.close()
            if kind is not None or not self._rows.rows:
                self._file.truncate(0)


@contextmanager
def unfinished_parts(ws: Workspace) -> Iterator[dict[str, Path]]:
    """Empty files in scratch for PartWriters, by table, while the block lasts."""
    paths: dict[str, Path] = {}
    try:
        for table in PAYLOAD:
            paths[table] = unfinished_file(ws)
        yield paths
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)


def keep_part(
    ws: Workspace, table: str, written: Path, media_id: str, extractor: str, suffix: str = ""
) -> PartFile | None:
    """Put what a PartWriter wrote in its place; None where it wrote nothing.

    Whoever wrote it may have been taken over by the media, and may go on writing. So what is looked at and stored is a
    copy, under a name that is made here.

    Raises: ValueError - an odd name, or it is no file of such rows of this media. OSError - it cannot be written.
    WorkspaceError - a remote store does not take it.
    """
    name = part_name(media_id, extractor, suffix)
    if written.stat().st_size == 0:
        return None
    copy = unfinished_file(ws)
    try:
        shutil.copyfile(written, copy)
        clips, size = _clips_of(copy, table, media_id), copy.stat().st_size
        put_in_place(ws, copy, ws.path(table, name))
    finally:
        copy.unlink(missing_ok=True)
    return PartFile(name, media_id, size, len(clips), min(clips), max(clips))


def _clips_of(path: Path, table: str, media_id: str) -> list[str]:
    try:
        with pq.ParquetFile(path) as written:
            if not written.schema_arrow.equals(TABLES[table]):
                raise ValueError(f"a part has other columns than {table}")
            rows = written.read(columns=["media_id", "clip_id"], use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"a part cannot be read: {message_of(error)}") from error
    clips: list[str] = rows["clip_id"].to_pylist()
    if set(rows["media_id"].to_pylist()) != {media_id} or None in clips:
        raise ValueError(f"a part of media {media_id} has rows of others")
    return clips


def commit_parts(
    ws: Workspace,
    table: str,
    parts: Sequence[PartFile],
    replacing: Collection[str] = (),
    absent: Callable[[str], Collection[str]] = lambda name: (),
) -> int:
    """Driver side: add parts to the table in one transaction, and return the table's version.

    A part that is there already, with the same size, is left alone. `replacing` names media whose other rows go
    in the same transaction, because they were extracted anew; a file of several media is copied without them. `absent`
    returns those of which a file of that name is known to have none.

    Raises: WorkspaceError - a part's file is missing, or the log cannot be written.
    """
    files = [_data_file(ws, table, part) for part in parts]
    names, gone = {file.name for file in files}, set(replacing)

    def plan(before: Snapshot) -> TableChange:
        sizes = {file.name: file.size_bytes for file in before.files}
        others = [file for file in before.files if file.name not in names]
        stale = [file for file in others if _media(file) in gone]
        mixed = [file for file in others if _holds(ws, table, file, gone.difference(absent(file.name)))]
        copies = [
            tables.rewrite(ws, table, file, lambda rows: tables.without(rows, "media_id", gone)) for file in mixed
        ]
        fresh = [file for file in files if sizes.get(file.name) != file.size_bytes]
        return TableChange((*fresh, *(file for file in copies if file)), (*stale, *mixed))

    return transact(ws, table, plan)


def media_in_parts(ws: Workspace, table: str) -> tuple[set[str], set[str]]:
    """Return the media of which a table has files of their own, by its log, and the names of its merged files, whose
    media are all in `clips` (merging.py).

    Raises: WorkspaceError - it does not say of a file whose it is: damaged, or written by others.
    """
    files = snapshot(ws, table).files
    if unknown := [file.name for file in files if "media_id" not in file.bounds]:
        raise WorkspaceError(f"the log of {ws.path(table)} does not say whose file {unknown[0]} is: damaged")
    merged = {file.name for file in files if _media(file) is None}
    return {file.bounds["media_id"][0] for file in files if file.name not in merged}, merged


def _holds(ws: Workspace, table: str, file: DataFile, media: Collection[str]) -> bool:
    """Return True if a merged file has rows of one of the media."""
    if _media(file) is not None or not file.may_hold("media_id", sorted(media)):
        return False
    return not _media_of(ws, table, file.name).isdisjoint(media)


@lru_cache(maxsize=256)  # of up to 512 ids each
def _media_of(ws: Workspace, table: str, name: str) -> frozenset[str]:
    """Return the media of a merged file, which never changes: no other is ever written under its name."""
    with open_file(ws, table, name) as opened:
        return frozenset(opened.read(columns=["media_id"])["media_id"].to_pylist())


def _data_file(ws: Workspace, table: str, part: PartFile) -> DataFile:
    try:
        size = int(ws.filesystem().size(ws.path(table, part.name)))
    except FileNotFoundError as error:
        raise WorkspaceError(f"{part.name} was written to {ws.table_uri(table)} and is not there any more") from error
    bounds = {"media_id": (part.media_id, part.media_id), "clip_id": (part.first_clip, part.last_clip)}
    return DataFile(part.name, size, part.rows, bounds)


def _media(file: DataFile) -> str | None:
    low, high = file.bounds.get("media_id", (None, None))
    return low if low == high else None
