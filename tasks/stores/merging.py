"""Merging of payload parts: workers write a file per media, or per segment of a film, which the driver gathers into
files of many media.

A row group stays one clip, so whoever reads a clip reads no other. Rows are copied one row group after the other, so
memory does not grow with the parts. Readers see the merged file when the transaction names it, and the parts stay on
the disk as long as a release names them; a merge that is killed leaves a file that nobody names.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

import pyarrow as pa

from .delta import DataFile, Snapshot, TableChange, transact
from .parquet import stream_file, write_file
from .removal import remove
from .workspace import Workspace

PART_BYTES: Final = 512 << 20
"""Size of a merged file at most."""

PART_CLIPS: Final = 512
"""Clips of a merged file at most. Its footer, which a reader parses before the first clip of it, costs 1 kB, and 8
microseconds, a clip.
"""

_FULL: Final = 4
"""A file with this part of either is not merged any more, so that a byte is copied a few times at most."""

MERGE_ABOVE_FILES: Final = 32
"""Small files of a table that may stay."""


Merged = tuple[DataFile, tuple[DataFile, ...]]
"""A merged file, and the parts whose rows it holds."""


def merge_parts(
    ws: Workspace, table: str, version: int, note: Callable[[Sequence[Merged]], None] = lambda merged: None
) -> int:
    """Merge the small files of a payload table, if there are many; return the version that holds the same rows.

    `note` is called with the merged files when they are written, before readers see them.

    Nothing is merged where the table has changed since `version`, which was audited: what others store meanwhile may
    be half of a batch.

    Raises: NotFoundError, WorkspaceError - a part is gone or damaged, or the table cannot be written.
    """
    merged: list[Merged] = []
    is_current = False

    def plan(before: Snapshot) -> TableChange | None:
        nonlocal is_current
        small = [
            file for file in before.files if file.size_bytes * _FULL < PART_BYTES and file.rows * _FULL < PART_CLIPS
        ]
        is_current = before.version == version
        if not is_current or len(small) <= MERGE_ABOVE_FILES:
            return None
        if not merged:  # once, however often the store refuses the commit
            written = ((_merge(ws, table, group), group) for group in _groups(small))
            merged.extend((file, group) for file, group in written if file)
        note(merged)
        gathered = tuple(part for _, group in merged for part in group)
        return TableChange(tuple(file for file, _ in merged), gathered, same_rows=True)

    made = transact(ws, table, plan)
    if is_current:
        return made
    for file, _ in merged:  # another writer came in between, perhaps of the very version that a merge would have made
        with suppress(FileNotFoundError):  # a takedown deletes files that nobody names
            remove(ws, table, file.name)
    return version


def _groups(files: Sequence[DataFile]) -> Iterator[tuple[DataFile, ...]]:
    """Divide files by media, so that the bounds of a merged file say which media it may hold."""
    group: list[DataFile] = []
    for file in sorted(files, key=_first_media):
        size, clips = sum(one.size_bytes for one in group), sum(one.rows for one in group)
        if group and (size + file.size_bytes > PART_BYTES or clips + file.rows > PART_CLIPS):
            yield tuple(group)
            group = []
        group.append(file)
    if len(group) > 1:
        yield tuple(group)


def _first_media(file: DataFile) -> tuple[str, str]:
    return file.bounds.get("media_id", ("", ""))[0], file.name


def _merge(ws: Workspace, table: str, group: Sequence[DataFile]) -> DataFile | None:
    def rows() -> Iterator[pa.Table]:
        for file in group:
            yield from stream_file(ws, table, file, None)

    # A name of this merge alone: what the log refuses is removed, and no other merge can have named it.
    return write_file(ws, table, f"merged-{uuid4().hex[:16]}.parquet", rows())
