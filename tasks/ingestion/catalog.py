"""Bookkeeping of the catalog: which files are new, which are done, and what row each file ends with."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import QUARANTINE_REASONS, FileReason, FileState
from heterodub.schemas.records import FileOutcome, MediaFacts, RawFile
from heterodub.schemas.tables import CATALOG
from heterodub.tasks.ingestion.job import Analysis
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_LABELS: Final = ("corpus", "speaker", "licence", "consent", "purpose", "language")
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


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """Files that a run has to work on. `relabelled` are done, but have new labels now; `labelled` are the uris
    of files that are done and bear labels, with which labels of equal bytes must agree. speakers_lost: how many of
    `relabelled` had a speaker and have none now. taken_down: files that the source holds besides, of what a takedown
    bars by name.
    """

    fresh: tuple[RawFile, ...]
    relabelled: tuple[RawFile, ...]
    unchanged: int
    labelled: frozenset[str] = frozenset()
    speakers_lost: int = 0
    taken_down: int = 0

    @property
    def files(self) -> int:
        """Number of files that the source holds."""
        return len(self.fresh) + len(self.relabelled) + self.unchanged


def read_catalog(workspace: Workspace) -> dict[str, Row]:
    """Read the catalog by uri."""
    return {row["uri"]: row for row in tables.read(workspace, "catalog").to_pylist()}


def rows_about(workspace: Workspace, uris: Iterable[str], media: Iterable[str]) -> dict[str, Row]:
    """Read the catalog's rows of some files and some contents, by uri."""
    about = pc.field("uri").isin(pa.array(list(uris), pa.string()))
    about |= pc.field("media_id").isin(pa.array(list(media), pa.string()))
    return {row["uri"]: row for row in tables.read(workspace, "catalog", filter=about).to_pylist()}


def known_uris(workspace: Workspace) -> frozenset[str]:
    """Read the uris of all files of the catalog."""
    return frozenset(tables.read(workspace, "catalog", ["uri"])["uri"].to_pylist())


def twin_rows(workspace: Workspace) -> dict[str, Row]:
    """Read the rows of measured files whose content another measured file has, too; by uri."""
    measured = pc.field("state") == FileState.MEASURED.value
    counts = pc.value_counts(tables.read(workspace, "catalog", ["media_id"], filter=measured)["media_id"])
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(twice):
        return {}
    rows = tables.read(workspace, "catalog", filter=measured & pc.field("media_id").isin(twice))
    return {row["uri"]: row for row in rows.to_pylist()}


def plan_run(
    files: Iterable[RawFile],
    catalog_rows: Catalog,
    extractor: str,
    retry_quarantined: bool,
    is_gone: Callable[[Iterable[str]], frozenset[str]] = gone,
) -> IngestPlan:
    """Sort the files of a source into those that need work and those that are done under this extractor.

    A file that is listed twice counts once, as it was listed first. A copy needs work again when the file that stood
    for its content may hold other bytes now, or is gone.
    """
    listed: dict[str, RawFile] = {}
    for raw in files:
        listed.setdefault(raw.uri, raw)
    changed = {
        uri
        for uri, raw in listed.items()
        if (row := catalog_rows.get(uri)) is None or _needs_work(raw, row, extractor, retry_quarantined)
    }
    standing = {
        row["media_id"]: uri
        for uri, row in catalog_rows.items()
        if row["state"] != FileState.DUPLICATE and uri not in changed
    }
    copies = {
        uri: standing.get(catalog_rows[uri]["media_id"])
        for uri in listed.keys() & catalog_rows.keys()
        if catalog_rows[uri]["state"] == FileState.DUPLICATE
    }
    unsound = {None, *is_gone({uri for uri in copies.values() if uri is not None and uri not in listed})}
    changed |= {uri for uri, stands in copies.items() if stands in unsound}
    done = [raw for uri, raw in listed.items() if uri not in changed]
    relabelled = [raw for raw in done if any(catalog_rows[raw.uri][label] != getattr(raw, label) for label in _LABELS)]
    labelled = (raw.uri for raw in done if any(getattr(raw, label) for label in _LABELS if label != "corpus"))
    fresh = tuple(raw for uri, raw in listed.items() if uri in changed)
    lost = sum(raw.speaker is None and catalog_rows[raw.uri]["speaker"] is not None for raw in relabelled)
    return IngestPlan(fresh, tuple(relabelled), len(done) - len(relabelled), frozenset(labelled), lost)


def _needs_work(raw: RawFile, row: Row, extractor: str, retry_quarantined: bool) -> bool:
    if (row["stamp"], row["extractor"], row["offset_s"]) != (raw.stamp, extractor, raw.offset_s):
        return True
    if row["state"] != FileState.QUARANTINED or raw.refusal is not None:
        return False
    return retry_quarantined or row["reason"] in RETRIED


def speaker_key(raw: RawFile, media_id: str) -> str:
    """Key by which speakers of files are divided: the stated speaker, else the file itself."""
    return raw.speaker or f"file:{media_id}"


def relabelled_row(raw: RawFile, row: Row) -> Row:
    """Return the catalog row of a done file with its current labels, and its stamp of now."""
    return {**row, "stamp": raw.stamp, **{label: getattr(raw, label) for label in _LABELS}}


def raw_of(row: Row) -> RawFile:
    """Return the file of a catalog row, as it was listed last."""
    return RawFile(**{name: row[name] for name in (*_LABELS, "uri", "stamp", "size_bytes", "offset_s")})


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
    labels = {label: getattr(raw, label) for label in _LABELS}
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
