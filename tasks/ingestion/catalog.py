"""Bookkeeping of the catalog: which files are new, which are done, and what row each file ends with."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import QUARANTINE_REASONS, FileReason, FileState
from heterodub.schemas.records import FileOutcome, MediaFacts, RawFile
from heterodub.schemas.tables import CATALOG
from heterodub.tasks.ingestion.job import Analysis
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.row_spool import divided, part_count
from heterodub.tasks.stores.workspace import Workspace

LABELS: Final = ("corpus", "speaker", "licence", "consent", "purpose", "language")
"""Labels that people give a file; a change of it needs no second look at the file."""

RETRIED: Final = frozenset(
    {
        FileReason.UNREADABLE,
        FileReason.NOT_FOUND,
        FileReason.LABELS_DISAGREE,
        FileReason.LABELS_UNREADABLE,
        FileReason.VANISHED,
        FileReason.CHANGED,
        FileReason.DISK_FULL,
        FileReason.WORKER_LOST,
    }
)
"""Troubles of the surroundings or the listing rather than of the file: tried again by every run."""

Row = dict[str, Any]
Catalog = Mapping[str, Row]
"""Rows by uri."""


def catalog_batches(workspace: Workspace, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the catalog's rows, a few at a time."""
    return tables.batches(workspace, "catalog", columns=columns)


def rows_about(workspace: Workspace, uris: Iterable[str], media: Iterable[str]) -> dict[str, Row]:
    """Read the catalog's rows of some files and some contents, by uri."""
    about = pc.field("uri").isin(pa.array(list(uris), pa.string()))
    about |= pc.field("media_id").isin(pa.array(list(media), pa.string()))
    return {row["uri"]: row for row in tables.read(workspace, "catalog", filter=about).to_pylist()}


def known_among(workspace: Workspace, uris: Iterable[str]) -> set[str]:
    """Return those of some addresses that the catalog has rows of."""
    about = pc.field("uri").isin(pa.array(list(uris), pa.string()))
    return set(tables.read(workspace, "catalog", ["uri"], filter=about)["uri"].to_pylist())


def twin_rows(workspace: Workspace) -> dict[str, Row]:
    """Read the rows of measured files whose content another measured file has, too; by uri."""
    batches = catalog_batches(workspace, ["media_id", "state"])
    measured = (batch.filter(pc.equal(batch["state"], FileState.MEASURED.value)) for batch in batches)
    twice: list[str] = []
    for part in divided(measured, _MEDIA, part_count(tables.size(workspace, "catalog").rows), "media_id"):
        counts = pc.value_counts(part.table()["media_id"])
        twice += counts.field("values").filter(pc.greater(counts.field("counts"), 1)).to_pylist()
    return twins_among(rows_about(workspace, (), twice)) if twice else {}


def twins_among(rows: Catalog) -> dict[str, Row]:
    """Return the rows of measured files whose content another one of them has, too."""
    measured = {uri: row for uri, row in rows.items() if row["state"] == FileState.MEASURED}
    counts = Counter(row["media_id"] for row in measured.values())
    return {uri: row for uri, row in measured.items() if counts[row["media_id"]] > 1}


_MEDIA: Final = pa.schema([("media_id", pa.string())])


def speaker_key(raw: RawFile, media_id: str) -> str:
    """Key by which speakers of files are divided: the stated speaker, else the file itself."""
    return raw.speaker or f"file:{media_id}"


def relabelled_row(raw: RawFile, row: Row) -> Row:
    """Return the catalog row of a done file with its current labels, and its stamp of now."""
    return {**row, "stamp": raw.stamp, **{label: getattr(raw, label) for label in LABELS}}


def raw_of(row: Row) -> RawFile:
    """Return the file of a catalog row, as it was listed last."""
    return RawFile(**{name: row[name] for name in (*LABELS, "uri", "stamp", "size_bytes", "offset_s")})


def moved_row(raw: RawFile, row: Row) -> Row:
    """Return the row of a file that stands for a content from now on, made of that of the file which did so before."""
    return {**relabelled_row(raw, row), "uri": raw.uri, "size_bytes": raw.size_bytes}


def refused_row(raw: RawFile, extractor: str, refusal: MediaRefusedError, media_id: str | None = None) -> Row:
    """Return the catalog row of a file that gave nothing, with the reason."""
    state = FileState.QUARANTINED if refusal.reason in QUARANTINE_REASONS else FileState.REJECTED
    return _row(raw, extractor, media_id, FileOutcome(state, refusal.reason, refusal.detail))


def duplicate_row(raw: RawFile, extractor: str, media_id: str, original: str) -> Row:
    """Return the catalog row of a file with the same bytes as another."""
    outcome = FileOutcome(FileState.DUPLICATE, FileReason.SAME_BYTES, f"same bytes as {original}")
    return _row(raw, extractor, media_id, outcome)


def analysed_row(raw: RawFile, extractor: str, media_id: str, analysis: Analysis) -> Row:
    """Return the catalog row of a file that was decoded."""
    row = _row(raw, extractor, media_id, analysis.outcome, analysis.facts)
    return {**row, "clips": analysis.clips.num_rows, "media_s": analysis.media_s, "dropped_s": analysis.dropped_s}


def catalog_table(rows: list[Row]) -> pa.Table:
    """Return catalog rows as an Arrow table."""
    return pa.Table.from_pylist(rows, schema=CATALOG)


def _row(
    raw: RawFile, extractor: str, media_id: str | None, outcome: FileOutcome, facts: MediaFacts | None = None
) -> Row:
    labels = {label: getattr(raw, label) for label in LABELS}
    fact_values = asdict(facts) if facts else {}
    row = dict.fromkeys(CATALOG.names) | labels | fact_values
    return row | {
        "uri": raw.uri,
        "media_id": media_id,
        "stamp": raw.stamp,
        "size_bytes": raw.size_bytes,
        "offset_s": raw.offset_s,
        "extractor": extractor,
        "state": str(outcome.state),
        "reason": None if outcome.reason is None else str(outcome.reason),
        "error": outcome.error or None,
        "notes": list(outcome.notes),
        "clips": 0,
        "media_s": 0.0,
        "dropped_s": 0.0,
    }
