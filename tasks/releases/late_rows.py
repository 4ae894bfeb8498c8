"""Rows that an ingest added to a line while it was switched to: the next run stores them in the tables in use."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.reasons import FileState, Stage
from heterodub.tasks.ingestion.catalog import LABELS, catalog_table
from heterodub.tasks.ingestion.clip_labels import label_clips
from heterodub.tasks.monitoring.run_log import current_run
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.stores import standby, tables, tombstones
from heterodub.tasks.stores.batches import FileBatch, KnownMedia, commit_batch, drop_leftovers
from heterodub.tasks.stores.parquet import PAYLOAD
from heterodub.tasks.stores.parts import PartFile
from heterodub.tasks.stores.removal import remove
from heterodub.tasks.stores.workspace import STANDBY, Workspace

from .erasure import erase_barred

Row = dict[str, Any]

_WRITERS: Final = ("ingest", "route")
_SAME: Final = ["uri", "stamp", "media_id", "offset_s", *LABELS]


def store_late_rows(line: Workspace) -> None:
    """Store in the tables in use what an ingest added to the line while it was switched to; then remove its tables,
    unless another run may still write there.

    Only for the line in use. Files that the tables in use know as they are have been switched, and stay. A content of
    which a part is missing is left out: the next ingest measures it again.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    if not standby.is_there(line):
        return
    is_written = _is_written(line)  # asked first: what has ended by now has stored all that it will
    in_use = line.of_line("")
    known = {tuple(row.values()) for row in tables.read(in_use, "catalog", _SAME).to_pylist()}
    there = {row["uri"]: tuple(row.values()) for row in tables.read(line, "catalog", _SAME).to_pylist()}
    late = {uri for uri, row in there.items() if row not in known}
    stored = _store(line, in_use, late) if late else set()
    if is_written:  # what is stored must not come back over what the tables in use say of it later
        tables.delete_rows(line, "catalog", "uri", there.keys() - late | stored)
    else:
        remove(line, STANDBY, line.line)


def _is_written(line: Workspace) -> bool:
    own = current_run()
    return any(
        run.state == "running" and run.flow in _WRITERS and (own is None or run.run != own.run) for run in runs(line)
    )


def _store(line: Workspace, in_use: Workspace, uris: Collection[str]) -> set[str]:
    """Store the rows of these files, but for contents of which a part is missing; return those that are stored."""
    late = tables.read(line, "catalog", filter=_among("uri", uris)).to_pylist()
    measured = {row["media_id"]: row for row in late if row["state"] == FileState.MEASURED}
    whole = _whole(line, measured)
    of_them = _among("media_id", measured) & (pc.field("state") == FileState.MEASURED.value)
    there = set(tables.read(in_use, "catalog", ["media_id"], filter=of_them)["media_id"].to_pylist()) - whole
    label_clips(in_use, {media: measured[media] for media in there})
    rows = [row for row in late if row["media_id"] not in measured or row["media_id"] in whole | there]
    commit_batch(in_use, _batch(line, in_use, rows, whole), KnownMedia(in_use))
    if barred := tombstones.standing(in_use).media & {row["media_id"] for row in rows}:
        erase_barred(in_use, barred)  # a takedown has deleted what was in use, and not yet what stood by
    drop_leftovers(in_use)
    return {row["uri"] for row in rows}


def _whole(line: Workspace, measured: Mapping[str, Row]) -> frozenset[str]:
    """Return the contents of which the line has all clips, and the payload of those that are admitted."""
    columns = ["media_id", *(stage.value for stage in Stage)]
    clips = tables.read(line, "clips", columns, filter=_among("media_id", measured)).to_pylist()
    counts = Counter(clip["media_id"] for clip in clips)
    whole = {media for media, row in measured.items() if counts[media] == row["clips"]}
    for stage in Stage:
        admitted = Counter(clip["media_id"] for clip in clips if clip[stage.value])
        stored = Counter[str]()
        for file in tables.files_of(line, stage.value):
            stored[file.bounds["media_id"][0]] += file.rows
        whole = {media for media in whole if admitted[media] == stored[media]}
    return frozenset(whole)


def _batch(line: Workspace, in_use: Workspace, rows: list[Row], media: Collection[str]) -> FileBatch:
    clips, embeddings = (
        tables.read(line, table, filter=_among("media_id", media)) for table in ("clips", "embeddings")
    )
    parts: dict[str, list[PartFile]] = {}
    for table in PAYLOAD:
        files = [file for file in tables.files_of(line, table) if file.bounds["media_id"][0] in media]
        standby.give_names(line, in_use, table, files)
        parts[table] = [
            PartFile(file.name, file.bounds["media_id"][0], file.size_bytes, file.rows, *file.bounds["clip_id"])
            for file in files
        ]
    return FileBatch(frozenset(media), catalog_table(rows), clips, parts["stage1"], parts["stage2"], embeddings)


def _among(column: str, values: Collection[str]) -> pc.Expression:
    return pc.field(column).isin(pa.array(sorted(values), pa.string()))
