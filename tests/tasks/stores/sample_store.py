"""Builds a small sound workspace the way an ingest does, one batch per media."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from heterodub.tasks.stores.batches import FileBatch, KnownMedia, commit_batch
from heterodub.tasks.stores.parts import PartFile, PartWriter, keep_part, unfinished_parts
from heterodub.tasks.stores.workspace import Workspace

from . import sample_rows as sample


def new_workspace(folder: Path) -> Workspace:
    return Workspace.open(str(folder / "workspace"), create=True)


def write_part(
    ws: Workspace, table: str, media_id: str, extractor: str, rows: pa.Table | Iterable[pa.Table], suffix: str = ""
) -> PartFile | None:
    """The clips of one media, written at once and put in their place; None if there are none."""
    with unfinished_parts(ws) as paths:
        with PartWriter(table, media_id, paths[table]) as writer:
            for piece in [rows] if isinstance(rows, pa.Table) else rows:
                writer.add(piece)
        return keep_part(ws, table, paths[table], media_id, extractor, suffix)


def batch_of(ws: Workspace, media: int, clips: int = 2, **clip_changes: Any) -> FileBatch:
    """Batch of one file as worker and driver make it: parts on disk, rows in memory."""
    numbers, media_id = range(clips), sample.media_id(media)
    stage1 = sample.stage1(*(sample.stage1_row(media, number) for number in numbers))
    stage2 = sample.stage2(*(sample.stage2_row(media, number) for number in numbers))
    one = write_part(ws, "stage1", media_id, sample.EXTRACTOR, stage1)
    two = write_part(ws, "stage2", media_id, sample.EXTRACTOR, stage2)
    return FileBatch(
        frozenset({media_id}),
        sample.catalog(sample.catalog_row(media, clips=clips)),
        sample.clips(*(sample.clip_row(media, number, **clip_changes) for number in numbers)),
        [one] if one else [],
        [two] if two else [],
        sample.embeddings(*(sample.embedding_row(media, number) for number in numbers)),
    )


def fill(ws: Workspace, media: range) -> None:
    held = KnownMedia(ws)
    for number in media:
        commit_batch(ws, batch_of(ws, number), held)


def filled_workspace(folder: Path, media: range) -> Workspace:
    """A new workspace of these files, to be changed: a copy, for each commit of a file takes some 0.12 CPU seconds.

    Its data files are as old as the first one's, by what the tables' logs say, and new by what the disk says.
    """
    made = shutil.copytree(_filled(media), folder / "workspace", copy_function=shutil.copyfile)
    return Workspace.open(str(made))


@cache
def _filled(media: range) -> str:
    fill(ws := new_workspace(Path(_templates().name, f"{media.start}-{media.stop}")), media)
    return ws.root


@cache
def _templates() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="filled-")  # goes with this process


def written_before(ws: Workspace, table: str, days: int) -> None:
    """Make all files of a table so old."""
    then = time.time() - days * 24 * 3600
    for path in Path(ws.path(table)).glob("*.parquet"):
        os.utime(path, (then, then))


def taken_out_before(ws: Workspace, table: str, days: int) -> None:
    """Let the table's log say that whatever was taken out was so many days earlier."""
    for entry in Path(ws.path(table, "_delta_log")).glob("*.json"):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] -= days * 24 * 3600 * 1000
        entry.write_text("".join(json.dumps(action) + "\n" for action in actions))
