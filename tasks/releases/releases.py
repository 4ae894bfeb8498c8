"""Releases: audited states of the tables, pinned by their files. Training reads these and nothing else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.ledger_tables import RELEASES
from heterodub.schemas.reasons import Stage
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.json_cells import json_cell
from heterodub.tasks.stores.workspace import Workspace

from . import release_files
from .release_content import COUNTED, ReleaseProvenance, counts_of, identity, licences_of

PINNED: Final = ("catalog", "clips", "stage1", "stage2", "labels", "person_corrections")
_JSON: Final = ("counts", "audit", "same_at")
_LISTS: Final = ("licences", "notes", "file_lists", "takedowns")


@dataclass(frozen=True, slots=True)
class Release:
    """A row of `releases`; see schemas/ledger_tables.py for what each column means. Columns of JSON are parsed."""

    release_id: str
    sequence: int
    created_utc: str
    catalog_version: int
    clips_version: int
    stage1_version: int
    stage2_version: int
    labels_version: int
    person_corrections_version: int
    backend: str
    extractor: str
    policy: str
    settings: str
    code: str
    counts: dict[str, Any]
    audit: dict[str, Any]
    licences: tuple[str, ...]
    notes: tuple[str, ...]
    file_lists: tuple[str, ...]
    takedowns: tuple[str, ...]
    same_at: dict[str, int]

    @property
    def versions(self) -> dict[str, int]:
        """Version of each table when it was published; its files are those of `table_files`, also once the table's log
        is shortened.
        """
        return {table: getattr(self, f"{table}_version") for table in PINNED}


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release, and True if it is a new one."""

    release: Release
    changed: bool


def identity_of(ws: Workspace, release: Release) -> str:
    """The id that a release would have by what its files hold today; another one, once a takedown took clips out.

    Raises: NotFoundError - a file is gone. WorkspaceError - a table cannot be read.
    """
    origin = ReleaseProvenance(**{field.name: getattr(release, field.name) for field in fields(ReleaseProvenance)})
    files = {table: table_files(ws, release, table) for table in PINNED}
    return identity(ws, files, origin)


def identity_of_versions(ws: Workspace, versions: Mapping[str, int], origin: ReleaseProvenance) -> str:
    """The id of a release of these versions of the tables.

    Raises: NotFoundError - there is no such version. WorkspaceError - a table cannot be read.
    """
    files = {table: tables.files_of(ws, table, versions[table]) for table in PINNED}
    return identity(ws, files, origin)


def table_files(ws: Workspace, release: Release, table: str) -> tuple[DataFile, ...]:
    """Return the files of a table that a release reads, by name.

    Raises: WorkspaceError - the table of files cannot be read.
    """
    return release_files.listed_files(ws, release.file_lists, table)


def read_table(
    ws: Workspace, release: Release, table: str, columns: list[str] | None = None, filter: pc.Expression | None = None
) -> pa.Table:
    """Read rows of a table as they were when the release was published, without what was taken down since.

    Raises: NotFoundError - a file is gone. WorkspaceError - one is damaged.
    """
    return tables.read(ws, table, columns, table_files(ws, release, table), filter)


def current_versions(ws: Workspace) -> dict[str, int]:
    """Return the newest version of every table that a release pins."""
    return {table: tables.version(ws, table) for table in PINNED}


def publish(
    ws: Workspace,
    versions: Mapping[str, int],
    origin: ReleaseProvenance,
    audit: Mapping[str, Any],
    notes: tuple[str, ...] = (),
) -> PublishedRelease | None:
    """Publish audited versions of the tables. If nothing changed since the last release, that one is returned; None if
    footage of them was taken down, perhaps meanwhile: then nothing is published.

    The caller has audited exactly these versions.

    Raises: NotFoundError - there is no such version. WorkspaceError - the table cannot be written.
    """
    files = {table: tables.files_of(ws, table, versions[table]) for table in PINNED}
    clips = tables.read(ws, "clips", COUNTED, files["clips"])
    release = Release(
        release_id=identity(ws, files, origin),
        sequence=0,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        catalog_version=versions["catalog"],
        clips_version=versions["clips"],
        stage1_version=versions["stage1"],
        stage2_version=versions["stage2"],
        labels_version=versions["labels"],
        person_corrections_version=versions["person_corrections"],
        **asdict(origin),
        counts=counts_of(clips),
        audit=dict(audit),
        licences=licences_of(clips),
        notes=notes,
        file_lists=(),
        takedowns=(),
        same_at=dict(versions),
    )
    media = _media(ws, versions)
    result: PublishedRelease | None = None

    def is_barred() -> bool:
        return not media.isdisjoint(tombstones.standing(ws).media)

    def make(rows: pa.Table) -> pa.Table:
        nonlocal result
        last, result = _newest(rows), None
        if last and last.release_id == release.release_id:
            result = PublishedRelease(last, changed=False)
            return RELEASES.empty_table()
        if is_barred():
            return RELEASES.empty_table()
        shared = last.file_lists if last else ()
        lists = release_files.write_lists(ws, shared, files)
        if is_barred():  # asked again, since a takedown that begins now takes its footage out of these lists
            tables.delete_rows(ws, "release_files", "file_list", {*lists} - {*shared})
            return RELEASES.empty_table()
        numbered = replace(release, sequence=last.sequence + 1 if last else 1, file_lists=lists)
        result = PublishedRelease(numbered, changed=True)
        return _row(numbered)

    tables.append_after(ws, "releases", make)
    return result


def barred_media(ws: Workspace, versions: Mapping[str, int]) -> frozenset[str]:
    """Return the contents in these versions of the tables that were taken down.

    Raises: NotFoundError - there is no such version. WorkspaceError - a table cannot be read.
    """
    barred = tombstones.standing(ws).media
    return barred & _media(ws, versions) if barred else barred


def _media(ws: Workspace, versions: Mapping[str, int]) -> frozenset[str]:
    rows = (tables.read(ws, table, ["media_id"], versions[table])["media_id"] for table in ("catalog", "clips"))
    return frozenset[str]().union(*(column.to_pylist() for column in rows))


def note_same(ws: Workspace, release: Release, versions: Mapping[str, int]) -> None:
    """Note that audited versions of the tables would be this release, so that they need not be audited again.

    Raises: WorkspaceError - the table cannot be written.
    """
    changes = pa.table({"release_id": [release.release_id], "same_at": [json.dumps(dict(versions))]})
    tables.update_columns(ws, "releases", changes, key="release_id")


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

    Clips that were taken down since are missing.

    Raises: NotFoundError - a file is gone.
    """
    chosen = pc.field(stage.value) & (pc.field("split").is_valid() if split is None else pc.field("split") == split)
    return read_table(ws, release, "clips", columns, chosen)


def read_release(
    ws: Workspace, release: Release, stage: Stage, split: str | None = None, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield payload rows of a stage and split of a release, a few clips at a time; without a split, of all splits.

    columns: those to read, clip_id among them; None: all.

    Raises: NotFoundError - a file is gone.
    """
    clips = release_clips(ws, release, stage, split, ["clip_id", "media_id"])
    media, clip_ids = sorted(set(clips["media_id"].to_pylist())), clips["clip_id"].combine_chunks()

    def holds(file: DataFile) -> bool:
        return file.may_hold("media_id", media)

    for batch in tables.batches(ws, stage.value, table_files(ws, release, stage.value), columns, holds):
        rows = batch.filter(pc.is_in(batch["clip_id"], value_set=clip_ids))
        if rows.num_rows:
            yield rows


def _row(release: Release) -> pa.Table:
    values = asdict(release) | {name: json.dumps(getattr(release, name)) for name in _JSON}
    values |= {name: list(getattr(release, name)) for name in _LISTS}
    return pa.Table.from_pylist([values], schema=RELEASES)


def _newest(rows: pa.Table) -> Release | None:
    if not rows.num_rows:
        return None
    return _release(max(rows.to_pylist(), key=lambda row: int(row["sequence"])))


def _release(row: dict[str, Any]) -> Release:
    versions = json.dumps({table: row[f"{table}_version"] for table in PINNED})
    row |= {"same_at": row["same_at"] or versions}  # null in a row from before the column
    row |= {name: json_cell(row, name) for name in _JSON}
    row |= {name: tuple(row[name] or ()) for name in _LISTS}
    return Release(**{field.name: row[field.name] for field in fields(Release)})
