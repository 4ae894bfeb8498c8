"""Check of the workspace: layout, files, rows that belong together, the last release, room on the disk."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.config.settings import Settings
from schemas.display import SHORT_ID, base_name
from schemas.errors import HeterodubError, WorkspaceError
from schemas.reasons import FileState, Stage
from schemas.tables import LAYOUT_VERSION, TABLES
from schemas.wording import counted
from tasks.releases import releases
from tasks.sources.presence import gone
from tasks.stores import commits, delta, tombstones, vacuum
from tasks.stores.batches import orphans
from tasks.stores.workspace import LEFT_BEHIND_S, Workspace

from . import reading
from .findings import Finding, good, problem, warning
from .in_force import policy_in_force

LEAST_FREE_BYTES: Final = 2 * 2**30
"""Room below which an ingest would soon stop; an hour of admitted footage takes about this much."""

_EXAMPLES: Final = 3
_REINGEST: Final = "ingest the source once more: what is missing is made again"
_AGAIN: Final = "do the takedown again, or any other: it finishes what an earlier one left"
_REROUTE: Final = "`heterodub route --policy FILE`"
_CHECKED_OUT: Final = "restore the workspace from a copy, or ingest into a new one"


def check_workspace(settings: Settings) -> list[Finding]:
    """Check the workspace of the settings; without a sound layout nothing else is checked."""
    try:
        ws = Workspace.open(settings.workspace)
    except WorkspaceError as error:
        return [problem("workspace", "layout", str(error), "name the right folder with --workspace, or ingest into it")]
    findings = [good("workspace", "layout", f"version {LAYOUT_VERSION} at {ws.root}")]
    findings.append(_policy(ws, settings))
    tables = [finding for table in TABLES for finding in _table(ws, table)]
    findings += tables
    if not any(finding.remedy for finding in tables):
        findings += [
            *_orphans(ws),
            *_gone(ws, settings.limits.web_origins),
            *_barred(ws),
            *_clip_counts(ws),
            *_payload(ws),
        ]
    return [*findings, *_release(ws), *_scratch(ws), *check_room(ws)]


def _policy(ws: Workspace, settings: Settings) -> Finding:
    """Check that the policy that routed the workspace can be read."""
    try:
        policy = policy_in_force(ws, settings)
    except HeterodubError as error:
        return problem("workspace", "policy", str(error), f"route again: {_REROUTE}")
    return good("workspace", "policy", f"{policy.name} {policy.version} ({policy.hash}) is in force")


def _table(ws: Workspace, table: str) -> Iterator[Finding]:
    """Check that every file of the newest version exists, is whole, and opens."""
    what = f"table {table}"
    if not reading.exists(ws, table):
        yield good("workspace", what, "not made yet")
        return
    try:
        commits.require_whole(ws, table)
        files = delta.snapshot(ws, table).files
        lost = _lost(ws, table, files)
        rows = 0 if lost else reading.read(ws, table, [TABLES[table].names[0]]).num_rows
        if not lost and table not in ("stage1", "stage2"):
            reading.read(ws, table)  # small rows: every byte can be read, not only the first column
    except (HeterodubError, pa.ArrowException, OSError) as error:
        yield problem("workspace", what, f"cannot be read: {error}", _CHECKED_OUT)
        return
    if lost:
        yield problem(
            "workspace", what, f"{counted(len(lost), 'file')} missing or cut short: {_some(lost)}", _CHECKED_OUT
        )
    else:
        yield good("workspace", what, f"{counted(rows, 'row')} in {counted(len(files), 'file')}")


def _lost(ws: Workspace, table: str, files: tuple[delta.DataFile, ...]) -> list[str]:
    entries = ws.filesystem().ls(ws.path(table), detail=True)  # one request, not two for each of many files
    sizes = {str(entry["name"]).rsplit("/", 1)[-1]: entry["size"] for entry in entries}
    return [file.name for file in files if sizes.get(file.name) != file.size_bytes]


def _orphans(ws: Workspace) -> Iterator[Finding]:
    if not all(reading.exists(ws, table) for table in ("catalog", "clips", "stage1", "stage2")):
        return
    media = sorted(orphans(ws))
    if media:
        detail = f"{len(media)} media have rows, but no measured file: {_some_ids(media)}"
        yield problem("workspace", "orphans", detail, "ingest any source again: rows without a file are deleted")
    else:
        yield good("workspace", "orphans", "none")


def _gone(ws: Workspace, origins: Sequence[str]) -> Iterator[Finding]:
    """Check that the files in the catalog still exist: rows outlive them, but other routes need them."""
    if not reading.exists(ws, "catalog"):
        return
    not_quarantined = pc.field("state") != FileState.QUARANTINED.value
    uris = reading.read(ws, "catalog", ["uri"], not_quarantined)["uri"].to_pylist()
    if lost := sorted(gone(uris, origins)):
        remedy = (
            "ingest their source as it is now: a file that was moved is known again by its bytes, with its new labels"
        )
        detail = f"{len(lost)} of {len(uris)} files are not there any more: {_some(lost)}"
        yield warning("workspace", "raw files", detail, f"{remedy}. What is stored of deleted ones can be trained on")
    else:
        yield good("workspace", "raw files", f"all {len(uris)} are where they were")


def _barred(ws: Workspace) -> Iterator[Finding]:
    """Check that no footage is stored that was taken down: an ingest meanwhile may have stored it."""
    marks = tombstones.standing(ws)
    if not marks.marks:
        return
    left, kept = tombstones.unfinished(ws), _kept(ws, marks.media)
    if left:
        detail = f"{counted(len(left), 'takedown')} not finished: {_some_ids([one.takedown for one in left])}"
        yield problem("workspace", "takedowns", detail, f"what was to be erased may still be there: {_AGAIN}")
    if kept:
        detail = f"{counted(len(kept), 'file')} on the disk hold footage that was taken down: {_some(kept)}"
        yield problem("workspace", "takedowns", detail, _AGAIN)
    gone = marks.media
    rows = reading.read(ws, "catalog", ["media_id", "speaker", "corpus", "licence"]).to_pylist()
    back = [
        row["media_id"] or "not identified"
        for row in rows
        if row["media_id"] in gone or marks.bars(row["speaker"], row["corpus"], row["licence"])
    ]
    if back:
        remedy = f"once no ingest is running, {_AGAIN}"
        detail = f"{len(back)} stored files are of footage that was taken down: {_some_ids(back)}"
        yield problem("workspace", "takedowns", detail, remedy)
    if not (left or kept or back):
        yield good("workspace", "takedowns", "nothing is stored of what was taken down")


def _kept(ws: Workspace, media: frozenset[str]) -> list[str]:
    """Files on the disk that no newest version names, and that hold rows of such contents."""
    held = [
        f"{table}/{name}"
        for table in ("catalog", "clips", "stage1", "stage2", "benchmarks")
        if media and reading.exists(ws, table)
        for name in vacuum.strays(ws, table, "media_id", media)
    ]
    return sorted(held)


def _clip_counts(ws: Workspace) -> Iterator[Finding]:
    """Check that each measured file has the clips that its catalog row counts."""
    measured = pc.field("state") == FileState.MEASURED.value
    catalog = reading.read(ws, "catalog", ["uri", "media_id", "clips"], measured).to_pylist()
    stored = Counter(reading.read(ws, "clips", ["media_id"])["media_id"].to_pylist())
    wrong = [row for row in catalog if row["clips"] != stored[row["media_id"]]]
    if wrong:
        names = [f"{base_name(row['uri'])} ({row['clips']} noted, {stored[row['media_id']]} stored)" for row in wrong]
        yield problem(
            "workspace", "clip counts", f"of {counted(len(wrong), 'file')} they disagree: {_some(names)}", _REINGEST
        )
    else:
        yield good("workspace", "clip counts", f"right for {len(catalog)} measured files")


def _payload(ws: Workspace) -> Iterator[Finding]:
    """Check that admitted clips and payload rows are the same."""
    for stage in Stage:
        admitted = _ids(reading.read(ws, "clips", ["clip_id"], pc.field(stage.value)))
        stored = _ids(reading.read(ws, stage.value, ["clip_id"]))
        what = f"{stage} payload"
        if bare := sorted(admitted - stored):
            detail = f"{len(bare)} admitted clips have no payload: {_some_ids(bare)}"
            yield problem("workspace", what, detail, f"run {_REROUTE}, or ingest the source once more")
        if stray := sorted(stored - admitted):
            detail = f"{len(stray)} payload rows have no admitted clip: {_some_ids(stray)}"
            yield problem("workspace", what, detail, f"run {_REROUTE}, which takes such rows out")
        if admitted == stored:
            yield good("workspace", what, f"there for all {len(admitted)} admitted clips")


def _release(ws: Workspace) -> Iterator[Finding]:
    """Check that every file that the last release pins still exists."""
    if not reading.exists(ws, "releases"):
        yield good("workspace", "last release", "none yet")
        return
    try:
        last = releases.latest(ws)
        if last is None:
            yield good("workspace", "last release", "none yet")
            return
        lost = [
            f"{table} version {version}: {name}"
            for table, version in last.versions.items()
            for name in _lost(ws, table, delta.snapshot(ws, table, version).files)
        ]
        is_as_published = bool(lost) or releases.identity_of(ws, last) == last.release_id
    except (HeterodubError, pa.ArrowException, OSError, ValueError, KeyError) as error:
        yield problem("workspace", "last release", f"cannot be read: {error}", _CHECKED_OUT)
        return
    if lost:
        remedy = "publish a new release with `heterodub ingest`; do not train from this one"
        yield problem(
            "workspace", "last release", f"{last.release_id} lost {counted(len(lost), 'file')}: {_some(lost)}", remedy
        )
    elif not is_as_published:
        detail = f"{last.release_id} does not hold what it was published with, of which its id is a hash"
        yield problem("workspace", "last release", detail, f"do not train from it; {_CHECKED_OUT}")
    else:
        yield good("workspace", "last release", f"{last.release_id}, number {last.sequence}, all files there")


def _scratch(ws: Workspace) -> Iterator[Finding]:
    place = Path(ws.root) / "scratch" if ws.is_local else None
    if place is None or not place.is_dir():
        return
    before = time.time() - LEFT_BEHIND_S
    left = [path for path in place.rglob("*") if path.is_file() and path.stat().st_mtime < before]
    if left:
        size = sum(path.stat().st_size for path in left)
        detail = f"{counted(len(left), 'file')}, {size / 1e6:.1f} MB, older than an hour in {place}"
        yield warning(
            "workspace", "scratch", detail, "delete them when no ingest is running: a run that died left them"
        )
    else:
        yield good("workspace", "scratch", "nothing left behind")


def check_room(ws: Workspace, least_bytes: int = LEAST_FREE_BYTES) -> Iterator[Finding]:
    """Check the room on the disk of a local workspace."""
    if not ws.is_local:
        return
    free = shutil.disk_usage(ws.root).free
    if free < least_bytes:
        detail = f"{free / 2**30:.1f} GiB free, {least_bytes / 2**30:.1f} GiB should be"
        yield problem("workspace", "disk", detail, "make room, or move the workspace to a larger disk")
    else:
        yield good("workspace", "disk", f"{free / 2**30:.1f} GiB free")


def _ids(rows: Any) -> set[str]:
    return set(rows["clip_id"].to_pylist())


def _some(names: list[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")


def _some_ids(ids: list[str]) -> str:
    return _some([name[:SHORT_ID] for name in ids])
