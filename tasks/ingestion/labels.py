"""Labels: the file that stands for a content and what is stated of it, in the catalog and on the clips.

Clips come first: a catalog row that is as it should be is not looked at again.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason, FileState
from schemas.records import RawFile
from tasks.ingestion import file_catalog
from tasks.ingestion.deduplication import Resolution, resolve
from tasks.sources.presence import gone
from tasks.stores import tables
from tasks.stores.workspace import Workspace

_LOG = logging.getLogger(__name__)


def relabel(
    workspace: Workspace,
    files: Iterable[RawFile],
    known: Mapping[str, file_catalog.Row],
    extractor: str,
    labelled: Collection[str] = frozenset(),
    origins: Sequence[str] = (),
) -> list[file_catalog.Row]:
    """Store the new labels of files that are done: their speaker, corpus, licence, consent and language.
    Returns the rows that give nothing from now on.

    labelled: uris that the same listing names besides, with labels that the catalog knows. origins: see open_store.
    """
    now = {raw.uri: file_catalog.relabelled_row(raw, known[raw.uri]) for raw in files}
    contents: dict[str, list[RawFile]] = {}
    for row in now.values():
        if row["media_id"] and row["state"] != FileState.QUARANTINED:
            contents.setdefault(row["media_id"], []).append(file_catalog.raw_of(row))
    found = resolve(contents, {**known, **now}, extractor, labelled, is_gone=partial(gone, origins=origins))
    return store_resolution(workspace, found, known, extractor, now)


def store_resolution(
    workspace: Workspace,
    found: Resolution,
    known: Mapping[str, file_catalog.Row],
    extractor: str,
    relabelled: Mapping[str, file_catalog.Row] | None = None,
) -> list[file_catalog.Row]:
    """Store the files that stand for contents that are done; return the rows that give nothing: copies and disputes.

    relabelled: rows that are stored with them, unless the resolution has another one for the same file.
    """
    stands = [file_catalog.moved_row(raw, before) for raw, before in found.standing]
    unread = [file_catalog.duplicate_row(raw, extractor, media, original) for raw, media, original in found.copies]
    for raw, media, why in found.disputed:
        _LOG.warning("%s is refused: %s", raw.uri, why)
        unread.append(
            file_catalog.refused_row(raw, extractor, MediaRefusedError(FileReason.LABELS_DISAGREE, why), media)
        )
    rows = {**(relabelled or {}), **{row["uri"]: row for row in (*stands, *unread)}}
    changed = [row for uri, row in rows.items() if row != known.get(uri)]
    _replace(workspace, stands, changed, found.gone - rows.keys())
    return unread


def settle_twins(
    workspace: Workspace, known: Mapping[str, file_catalog.Row], extractor: str, origins: Sequence[str] = ()
) -> None:
    """Let one file stand for a content that two stand for: another ingest measured it at the same time under another
    name, or a run died before it had taken out the row of a file that was moved.

    Whoever looks comes to the same: the file that is there, then the one of this extractor, then one whose speaker is
    known, then the first by name.
    """
    names: dict[str, list[str]] = {}
    for uri, row in known.items():
        if row["state"] == FileState.MEASURED:
            names.setdefault(row["media_id"], []).append(uri)
    twins = [uris for uris in names.values() if len(uris) > 1]
    lost = gone((uri for uris in twins for uri in uris), origins)
    first = {
        uri: min(
            uris, key=lambda one: (one in lost, known[one]["extractor"] != extractor, not known[one]["speaker"], one)
        )
        for uris in twins
        for uri in uris
    }
    rows = [
        file_catalog.twin_row(known[uri], stands) for uri, stands in first.items() if stands != uri and uri not in lost
    ]
    removed = {uri for uri, stands in first.items() if stands != uri and uri in lost}
    _replace(workspace, [known[uri] for uri in set(first.values())], rows, removed)


def _replace(
    workspace: Workspace, stands: Iterable[file_catalog.Row], changed: list[file_catalog.Row], removed: Collection[str]
) -> None:
    if not changed and not removed:
        return
    _label_clips(workspace, {row["media_id"]: row for row in stands if row["state"] == FileState.MEASURED})
    tables.replace_rows(workspace, "catalog", file_catalog.catalog_table(changed), "uri", also=removed)


def _label_clips(workspace: Workspace, rows: Mapping[str, file_catalog.Row]) -> None:
    """Copy labels from the catalog's rows, by media, to their clips.

    A clip whose speaker becomes another leaves its split group: publishing gives it that of its speaker.
    """
    chosen = pc.field("media_id").isin(pa.array(list(rows), pa.string()))
    clips = tables.read(workspace, "clips", ["clip_id", "media_id", "speaker", "split_group"], filter=chosen)
    media = clips["media_id"].to_pylist()
    speakers = [rows[m]["speaker"] or f"file:{m}" for m in media]
    before = zip(speakers, clips["speaker"].to_pylist(), clips["split_group"].to_pylist(), strict=True)
    changes = pa.table(
        {
            "clip_id": clips["clip_id"],
            "uri": pa.array([rows[m]["uri"] for m in media], pa.string()),
            "corpus": pa.array([rows[m]["corpus"] for m in media], pa.string()),
            "speaker": pa.array(speakers, pa.string()),
            "split_group": pa.array([group if now == was else None for now, was, group in before], pa.string()),
        }
    )
    if changes.num_rows:
        tables.update_columns(workspace, "clips", changes)
