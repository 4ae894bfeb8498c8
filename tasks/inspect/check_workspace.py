"""Check of the workspace: layout, files, rows that belong together, the last release, room on the disk."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import SHORT_ID, base_name, counted, message_of
from heterodub.schemas.errors import HeterodubError, WorkspaceError
from heterodub.schemas.policy import DEFAULT_POLICY, load_policy
from heterodub.schemas.reasons import FileState, Stage
from heterodub.schemas.tables import LAYOUT_VERSION, TABLES
from heterodub.tasks.inspect import findings
from heterodub.tasks.inspect.check_embeddings import check_embeddings
from heterodub.tasks.inspect.check_labels import check_labels
from heterodub.tasks.inspect.check_people import check_people
from heterodub.tasks.inspect.check_tables import RESTORE, check_table, lost_files, some
from heterodub.tasks.inspect.findings import Finding
from heterodub.tasks.releases import release_files, releases
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.stores import delta, tombstones, vacuum
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.batches import orphans
from heterodub.tasks.stores.scan import read_where
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.where import Mask, RowCondition, among, equal, is_set
from heterodub.tasks.stores.workspace import LEFT_BEHIND_S, LINE_TABLES, STANDBY, Workspace

LEAST_FREE_BYTES: Final = 2 * 2**30
"""Room below which an ingest would soon stop; an hour of admitted footage takes about this much."""

_good, _problem = partial(findings.good, "workspace"), partial(findings.problem, "workspace")
_warning, _checked = partial(findings.warning, "workspace"), partial(findings.checked, "workspace")

_REINGEST: Final = "ingest the source once more: what is missing is made again"
_MOVED: Final = (
    "ingest their source as it is now: a file that was moved is known again by its bytes, with its new labels. What is "
    "stored of deleted ones can be trained on"
)
_AGAIN: Final = "do the takedown again, or any other: it finishes what an earlier one left"
_REROUTE: Final = "`heterodub route`"


def check_workspace(settings: Settings) -> list[Finding]:
    """Check the workspace of the settings; without a sound layout nothing else is checked."""
    try:
        ws = Workspace.open(settings.workspace)
    except WorkspaceError as error:
        return [_problem("layout", str(error), "name the right folder with --workspace, or ingest into it")]
    checks = [_good("layout", f"version {LAYOUT_VERSION} at {ws.root}")]
    checks.append(_policy(ws, settings))
    by_table = {table: check_table(ws, table) for table in TABLES}
    of_lines = [check_table(line, table).finding for line in standing_by(ws) for table in LINE_TABLES]
    checks += [*(check.finding for check in by_table.values()), *of_lines]
    if not any(finding.remedy for finding in (*(check.finding for check in by_table.values()), *of_lines)):
        checks += [
            *_orphans(ws),
            *_gone(ws, settings.limits.web_origins),
            *_barred(ws),
            *_clip_counts(ws),
            *_payload(ws, {stage: by_table[stage.value].clips for stage in Stage}),
            *check_labels(ws, settings),
            *check_embeddings(ws, settings),
            *check_people(ws),
        ]
    return [*checks, *_release(ws), *_scratch(ws), *check_room(ws)]


def _policy(ws: Workspace, settings: Settings) -> Finding:
    """Check that the policy that routed the workspace can be read."""
    try:
        policy = policy_in_force(ws, settings)
    except HeterodubError as error:
        return _problem("policy", str(error), "route again: `heterodub route --policy FILE`")
    words = f"{policy.name} {policy.version} ({policy.hash}) is in force"
    default = load_policy()
    if policy.name == default.name and policy.version < default.version:
        return _warning(
            "policy",
            f"{words}: an earlier measure's limits, of now is {default.name} {default.version}",
            f"once all is measured anew, route by it: `heterodub route --policy {DEFAULT_POLICY}`",
        )
    return _good("policy", words)


def _orphans(ws: Workspace) -> Iterator[Finding]:
    lines = [
        line
        for line in (ws, *standing_by(ws))
        if all(delta.exists(line, table) for table in ("catalog", "clips", "stage1", "stage2"))
    ]
    if not lines:
        return
    media = sorted({media for line in lines for media in orphans(line)})
    fault = f"{len(media)} media have rows, but no measured file: {_some_ids(media)}" if media else ""
    yield _checked("orphans", fault, "ingest any source again: rows without a file are deleted", "none")


def _gone(ws: Workspace, origins: Sequence[str]) -> Iterator[Finding]:
    """Check that the files in the catalog still exist: rows outlive them, but other routes need them."""
    if not delta.exists(ws, "catalog"):
        return
    uris = read_where(ws, "catalog", ["uri"], ~equal("state", FileState.QUARANTINED.value))["uri"].to_pylist()
    if lost := sorted(gone(uris, origins)):
        detail = f"{len(lost)} of {len(uris)} files are not there any more: {some(lost)}"
        yield _warning("raw files", detail, _MOVED)
    else:
        yield _good("raw files", f"all {len(uris)} are where they were")


def _barred(ws: Workspace) -> Iterator[Finding]:
    """Check that no footage is stored that was taken down: an ingest meanwhile may have stored it."""
    marks = tombstones.standing(ws)
    if not marks.marks:
        return
    lines = (ws, *standing_by(ws))
    left, strays = tombstones.unfinished(ws), [name for line in lines for name in _kept(line, marks.media)]
    if left:
        detail = f"{counted(len(left), 'takedown')} not finished: {_some_ids([mark.takedown for mark in left])}"
        yield _problem("takedowns", detail, f"what was to be erased may still be there: {_AGAIN}")
    if strays:
        detail = f"{counted(len(strays), 'file')} on the disk hold footage that was taken down: {some(strays)}"
        yield _problem("takedowns", detail, _AGAIN)
    barred = _bars(marks)
    back = [
        name or "not identified"
        for line in lines
        for name in read_where(line, "catalog", ["media_id"], barred)["media_id"].to_pylist()
    ]
    if back:
        remedy = f"once no ingest is running, {_AGAIN}"
        detail = f"{len(back)} stored files are of footage that was taken down: {_some_ids(back)}"
        yield _problem("takedowns", detail, remedy)
    named = among("media_id", marks.media) | among("other_media_id", marks.media)
    if pairs := sum(read_where(line, "near_pairs", ["clip_id"], named).num_rows for line in lines):
        detail = f"{counted(pairs, 'pair')} of near-copies name footage that was taken down"
        yield _problem("takedowns", detail, _AGAIN)
    if not (left or strays or back or pairs):
        yield _good("takedowns", "nothing is stored of what was taken down")


def _bars(marks: tombstones.Tombstones) -> RowCondition:
    """Return a condition for files that are barred by their content or by a label."""

    def mask(rows: pa.Table) -> Mask:
        hit = pc.is_in(rows["media_id"], pa.array(sorted(marks.media), pa.string()))
        kinds: tuple[tombstones.Kind, ...] = ("speaker", "corpus", "licence")
        for kind in kinds:
            values = pc.unique(rows[kind]).drop_null().to_pylist()
            barred = [
                value for value in values if any((kind, one) in marks.marks for one in tombstones.marks_of(kind, value))
            ]
            hit = pc.or_(hit, pc.is_in(rows[kind], pa.array(barred, pa.string())))
        return hit

    return RowCondition(frozenset({"media_id", "speaker", "corpus", "licence"}), mask)


def _kept(ws: Workspace, media: frozenset[str]) -> list[str]:
    """Files on the disk that no newest version names, and that hold rows of such contents."""
    own = LINE_TABLES if ws.line else TABLES
    columns = [(table, "media_id") for table, schema in TABLES.items() if "media_id" in schema.names and table in own]
    place = f"{STANDBY}/{ws.line}/" if ws.line else ""
    files = {
        f"{place}{table}/{name}"
        for table, column in (*columns, ("near_pairs", "other_media_id"))
        if media and delta.exists(ws, table)
        for name in vacuum.strays(ws, table, column, media)
    }
    return sorted(files)


def _clip_counts(ws: Workspace) -> Iterator[Finding]:
    """Check that each measured file has the clips that its catalog row counts."""
    catalog = read_where(ws, "catalog", ["uri", "media_id", "clips"], equal("state", FileState.MEASURED.value))
    counts = pc.value_counts(read_where(ws, "clips", ["media_id"], None)["media_id"])
    place = pc.index_in(catalog["media_id"], counts.field("values"))
    stored = pc.fill_null(counts.field("counts").take(place), 0)
    disagree = pc.not_equal(catalog["clips"], stored)
    wrong = [
        f"{base_name(row['uri'])} ({row['clips']} noted, {count.as_py()} stored)"
        for row, count in zip(catalog.filter(disagree).to_pylist(), stored.filter(disagree), strict=True)
    ]
    fault = f"of {counted(len(wrong), 'file')} they disagree: {some(wrong)}" if wrong else ""
    yield _checked("clip counts", fault, _REINGEST, f"right for {catalog.num_rows} measured files")


def _payload(ws: Workspace, stored: Mapping[Stage, pa.ChunkedArray]) -> Iterator[Finding]:
    """Check that admitted clips and payload rows, which are `stored`, are the same."""
    for stage, clips in stored.items():
        admitted = read_where(ws, "clips", ["clip_id"], is_set(stage.value))["clip_id"]
        what = f"{stage} payload"
        if bare := _without(admitted, clips):
            detail = f"{len(bare)} admitted clips have no payload: {_some_ids(bare)}"
            yield _problem(what, detail, f"run {_REROUTE}, or ingest the source once more")
        if stray := _without(clips, admitted):
            detail = f"{len(stray)} payload rows have no admitted clip: {_some_ids(stray)}"
            yield _problem(what, detail, f"run {_REROUTE}, which takes such rows out")
        if not (bare or stray):
            yield _good(what, f"there for all {len(admitted)} admitted clips")


def _without(clips: pa.ChunkedArray, others: pa.ChunkedArray) -> list[str]:
    """Return those of some clips that are not among others, sorted."""
    return sorted(set(clips.filter(pc.invert(pc.is_in(clips, others))).to_pylist()))


def _release(ws: Workspace) -> Iterator[Finding]:
    """Check that every file that a release names still exists, and what the last one holds."""
    try:
        ordered = releases.every(ws)
        last = ordered[-1] if ordered else None
        if last is None:
            yield _good("last release", "none yet")
            return
        lost = [
            f"{table}: {name}"
            for table in releases.PINNED
            for name in lost_files(ws, table, releases.table_files(ws, last, table))
        ]
        is_as_published = bool(lost or last.takedowns) or releases.identity_of(ws, last) == last.release_id
        lists = _damaged_lists(ws)
        damaged = [one.release_id for one in ordered[:-1] if not lists.isdisjoint(one.file_lists)]
    except (HeterodubError, pa.ArrowException, OSError, ValueError, KeyError) as error:
        yield _problem("last release", f"cannot be read: {message_of(error)}", RESTORE)
        return
    if damaged:
        detail = f"{counted(len(damaged), 'release')} lost files: {some(damaged)}"
        yield _warning("older releases", detail, "restore the files from a copy; without them these cannot be read")
    if lost:
        remedy = "publish a new release with `heterodub ingest`; do not train from this one"
        yield _problem("last release", f"{last.release_id} lost {counted(len(lost), 'file')}: {some(lost)}", remedy)
    elif not is_as_published:
        detail = f"{last.release_id} does not hold what it was published with, of which its id is a hash"
        yield _problem("last release", detail, f"do not train from it; {RESTORE}")
    else:
        yield _good("last release", f"{last.release_id}, number {last.sequence}, all files there")


def _damaged_lists(ws: Workspace) -> set[str]:
    """Return the lists of releases' files that name one which is missing or cut short."""
    listed = {table: tuple(release_files.all_listed(ws, table).values()) for table in releases.PINNED}
    lost = {table: lost_files(ws, table, files) for table, files in listed.items() if files}
    return {name for table, names in lost.items() for name in release_files.lists_naming(ws, table, names)}


def _scratch(ws: Workspace) -> Iterator[Finding]:
    place = Path(ws.root) / "scratch" if ws.is_local else None
    if place is None or not place.is_dir():
        return
    before = time.time() - LEFT_BEHIND_S
    left = [path for path in place.rglob("*") if path.is_file() and path.stat().st_mtime < before]
    if left:
        size = sum(path.stat().st_size for path in left)
        detail = f"{counted(len(left), 'file')}, {size / 1e6:.1f} MB, older than a day in {place}"
        yield _warning("scratch", detail, "delete them when no ingest is running: a run that died left them")
    else:
        yield _good("scratch", "nothing left behind")


def check_room(ws: Workspace, least_bytes: int = LEAST_FREE_BYTES) -> Iterator[Finding]:
    """Check the room on the disk of a local workspace."""
    if not ws.is_local:
        return
    free = shutil.disk_usage(ws.root).free
    room = f"{free / 2**30:.1f} GiB free"
    fault = f"{room}, {least_bytes / 2**30:.1f} GiB should be" if free < least_bytes else ""
    yield _checked("disk", fault, "make room, or move the workspace to a larger disk", room)


def _some_ids(ids: list[str]) -> str:
    return some([name[:SHORT_ID] for name in ids])
