"""Releases: audited states of the tables, pinned by version. Training reads these and nothing else."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.contract import FPS
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.ledger_tables import RELEASES
from heterodub.schemas.reasons import Stage
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile, snapshot
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.parquet import names_in_folder
from heterodub.tasks.stores.workspace import Workspace

PINNED: Final = ("catalog", "clips", "stage1", "stage2", "labels")
_CLIP_COLUMNS: Final = ["clip_id", "speaker", "frames", "stage1", "stage2", "split"]


@dataclass(frozen=True, slots=True)
class ReleaseProvenance:
    """Backend, extractor, policy, settings and code that made a release."""

    backend: str
    extractor: str
    policy: str
    settings: str
    code: str


@dataclass(frozen=True, slots=True)
class Release:
    """A row of `releases`; see schemas/ledger_tables.py for what each column means. `counts` and `audit` are parsed."""

    release_id: str
    sequence: int
    created_utc: str
    catalog_version: int
    clips_version: int
    stage1_version: int
    stage2_version: int
    labels_version: int
    backend: str
    extractor: str
    policy: str
    settings: str
    code: str
    counts: dict[str, Any]
    audit: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def versions(self) -> dict[str, int]:
        """Pinned version of each table."""
        return {table: getattr(self, f"{table}_version") for table in PINNED}


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release, and True if it is a new one."""

    release: Release
    changed: bool


def identity_of(ws: Workspace, release: Release) -> str:
    """The id that a release would have by what its versions hold today.

    Raises: NotFoundError - the release was erased by a takedown. WorkspaceError - a table cannot be read.
    """
    origin = ReleaseProvenance(**{field.name: getattr(release, field.name) for field in fields(ReleaseProvenance)})
    return _identity(ws, release.versions, origin, tables.read(ws, "clips", _CLIP_COLUMNS, release.clips_version))


def current_versions(ws: Workspace) -> dict[str, int]:
    """Return the newest version of every table that a release pins."""
    return {table: tables.version(ws, table) for table in PINNED}


def publish(
    ws: Workspace,
    versions: Mapping[str, int],
    origin: ReleaseProvenance,
    audit: Mapping[str, Any],
    notes: tuple[str, ...] = (),
) -> PublishedRelease:
    """Publish audited versions of the tables. If nothing changed since the last release, that one is returned.

    The caller has audited exactly these versions.

    Raises: NotFoundError - there is no such version. WorkspaceError - the table cannot be written.
    """
    clips = tables.read(ws, "clips", _CLIP_COLUMNS, versions["clips"])
    release = Release(
        release_id=_identity(ws, versions, origin, clips),
        sequence=0,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        catalog_version=versions["catalog"],
        clips_version=versions["clips"],
        stage1_version=versions["stage1"],
        stage2_version=versions["stage2"],
        labels_version=versions["labels"],
        **asdict(origin),
        counts=_counts(clips),
        audit=dict(audit),
        notes=notes,
    )
    result = PublishedRelease(release, changed=True)

    def make(rows: pa.Table) -> pa.Table:
        nonlocal result
        last = _newest(rows)
        if last and last.release_id == release.release_id:
            result = PublishedRelease(last, changed=False)
            return RELEASES.empty_table()
        numbered = replace(release, sequence=last.sequence + 1 if last else 1)
        result = PublishedRelease(numbered, changed=True)
        return _row(numbered)

    tables.append_after(ws, "releases", make)
    return result


def latest(ws: Workspace) -> Release | None:
    """Return the newest release; None before the first."""
    return _newest(tables.read_any(ws, "releases"))


def newest_of_line(ws: Workspace, extractor: str) -> Release | None:
    """Return the newest release of one extractor; None before the first."""
    return _newest(tables.read_any(ws, "releases", filter=pc.field("extractor") == extractor))


def every(ws: Workspace) -> list[Release]:
    """Return all releases, oldest first."""
    rows = tables.read_any(ws, "releases").to_pylist()
    return [_release(row) for row in sorted(rows, key=lambda row: int(row["sequence"]))]


def find(ws: Workspace, release_id: str) -> Release:
    """Find the release of that id, or of the one id that begins so; of several with the same content, the newest.

    Raises: NotFoundError - there is none, or several ids begin so.
    """
    listed = every(ws)
    ids = list(dict.fromkeys(release.release_id for release in listed))
    begin_so = [each for each in ids if release_id and each.startswith(release_id)]
    matches = [release_id] if release_id in ids else begin_so
    if not matches:
        raise NotFoundError(f"no release {release_id} in {ws.root}; there are: {', '.join(ids[-10:]) or 'none yet'}")
    if len(matches) > 1:
        raise NotFoundError(f"{release_id} is the start of several releases: {', '.join(matches)}")
    return next(release for release in reversed(listed) if release.release_id == matches[0])


def erased(ws: Workspace, listed: Iterable[Release]) -> tuple[int, ...]:
    """Return the sequence numbers of releases of which files are gone, as a takedown leaves them.

    Raises: WorkspaceError - a table cannot be read.
    """
    if not tables.size(ws, "tombstones").rows:
        return ()
    there = {table: names_in_folder(ws, table) for table in PINNED}

    @cache
    def is_whole(table: str, version: int) -> bool:
        try:
            return there[table].issuperset(file.name for file in snapshot(ws, table, version).files)
        except NotFoundError:
            return False

    return tuple(
        release.sequence
        for release in listed
        if not all(is_whole(table, version) for table, version in release.versions.items())
    )


def named(ws: Workspace, release_id: str | None) -> Release:
    """Return the release of that id, or of the one that begins so, else the newest.

    Raises: NotFoundError - there is none. WorkspaceError - the table cannot be read.
    """
    release = latest(ws) if release_id is None else find(ws, release_id)
    if release is None:
        raise NotFoundError(f"{ws.root} has no release yet; `heterodub ingest SOURCE` publishes one")
    return release


def release_clips(
    ws: Workspace, release: Release, stage: Stage, split: str | None = None, columns: list[str] | None = None
) -> pa.Table:
    """Read rows of `clips` that belong to a stage and split of a release, as they were when it was published.

    Raises: NotFoundError - the release was erased by a takedown.
    """
    chosen = pc.field(stage.value) & (pc.field("split").is_valid() if split is None else pc.field("split") == split)
    return tables.read(ws, "clips", columns, release.clips_version, chosen)


def read_release(
    ws: Workspace, release: Release, stage: Stage, split: str | None = None, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield payload rows of a stage and split of a release, a few clips at a time; without a split, of all splits.

    columns: those to read, clip_id among them; None: all.

    Raises: NotFoundError - the release was erased by a takedown.
    """
    clips = release_clips(ws, release, stage, split, ["clip_id", "media_id"])
    media, clip_ids = frozenset(clips["media_id"].to_pylist()), clips["clip_id"].combine_chunks()

    def holds(file: DataFile) -> bool:
        low, high = file.bounds.get("media_id", ("", "~"))
        return low != high or low in media

    for batch in tables.batches(ws, stage.value, release.versions[stage.value], columns, holds):
        rows = batch.filter(pc.is_in(batch["clip_id"], value_set=clip_ids))
        if rows.num_rows:
            yield rows


def _identity(ws: Workspace, versions: Mapping[str, int], origin: ReleaseProvenance, clips: pa.Table) -> str:
    """Hash a release; changes with every clip, its speaker, flags, split, label and payload file; not when rows only
    move.
    """
    digest = hashlib.sha256()
    origin_parts = (origin.policy, origin.settings, origin.extractor, origin.backend)
    digest.update(json.dumps(origin_parts).encode())
    rows = clips.select(["clip_id", "speaker", "stage1", "stage2", "split"]).sort_by("clip_id")
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        digest.update(json.dumps(row).encode())
    for stage in Stage:
        for file in snapshot(ws, stage.value, versions[stage.value]).files:
            digest.update(json.dumps((stage.value, file.name, file.size_bytes)).encode())
    for label in read_labels(ws, versions["labels"]).values():
        digest.update(json.dumps((label.clip_id, label.stage, label.keep, label.reason, label.by)).encode())
    return "r" + digest.hexdigest()[:12]


def _counts(clips: pa.Table) -> dict[str, Any]:
    """Count clips, speakers and seconds by stage and split, as {stage: {split: {...}}}."""
    counts: dict[str, Any] = {}
    for stage in Stage:
        rows = clips.filter(pc.and_(clips[stage.value], pc.is_valid(clips["split"])))
        groups = rows.group_by("split").aggregate(
            [("clip_id", "count"), ("speaker", "count_distinct"), ("frames", "sum")]
        )
        counts[stage.value] = {
            row["split"]: {
                "clips": row["clip_id_count"],
                "speakers": row["speaker_count_distinct"],
                "seconds": round(row["frames_sum"] / FPS, 2),
            }
            for row in groups.sort_by("split").to_pylist()
        }
    return counts


def _row(release: Release) -> pa.Table:
    values = {**asdict(release), "counts": json.dumps(release.counts), "audit": json.dumps(release.audit)}
    values["notes"] = list(release.notes)
    return pa.Table.from_pylist([values], schema=RELEASES)


def _newest(rows: pa.Table) -> Release | None:
    if not rows.num_rows:
        return None
    return _release(max(rows.to_pylist(), key=lambda row: int(row["sequence"])))


def _release(row: dict[str, Any]) -> Release:
    row |= {name: tables.json_cell(row, name) for name in ("counts", "audit")} | {"notes": tuple(row["notes"])}
    return Release(**{field.name: row[field.name] for field in fields(Release)})
