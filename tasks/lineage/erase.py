"""Takedown of footage. Every step is idempotent, so an interrupted takedown is finished by doing it again,
or by the next one of anything.

The order: tombstones, so that nothing comes back meanwhile; tags on models while their lineage is still known; marks on
releases that lose clips; rows of all tables; rows of releases, whose files are replaced by copies without them; a new
release; the files that nobody names any more; pictures of the footage; and, if requested, the models.
"""

import logging
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import HeterodubError, PromotionError
from heterodub.tasks.identity.corrections import nobody_left
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.promotion.evidence import PAGE
from heterodub.tasks.releases.barred import prints_of
from heterodub.tasks.releases.erasure import mark_releases, take_out
from heterodub.tasks.releases.publishing import PublishResult, publish
from heterodub.tasks.releases.release_files import all_listed
from heterodub.tasks.releases.releases import PINNED
from heterodub.tasks.stores import tables, tombstones, vacuum
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.batches import drop_media
from heterodub.tasks.stores.removal import remove, require_below
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.workspace import LINE_TABLES, Workspace

from .plan import Scope, TakedownPlan, plan_takedown, scope_left
from .weights import delete_derived, delete_models, require_not_champion, require_own

if TYPE_CHECKING:
    from heterodub.tasks.tracking.store import Tracking

_log = logging.getLogger(__name__)

_TABLES: Final = (
    "catalog",
    "clips",
    "stage1",
    "stage2",
    "embeddings",
    "labels",
    "person_corrections",
    "draws",
    "benchmarks",
)
"""Tables that hold footage or refer to it, by media."""

_PAGES: Final = ("audit", "reports")
"""Folders of pages about footage. They can be written again; for `reports/reproduction` that takes hours."""

_COMMIT_S: Final = 60.0
"""Files younger than this may belong to a commit under way: our own run writes its metrics meanwhile."""


def take_down(
    ws: Workspace,
    settings: Settings,
    tracking: "Tracking | None",
    plan: TakedownPlan,
    reason: str,
    with_models: bool = False,
) -> dict[str, Any]:
    """Execute the plan; returns a summary, ready for JSON. with_models: delete models trained on the footage, too.

    Raises: PromotionError, WorkspaceError - a champion, or something outside the workspace, would have to be deleted;
    nothing was done. WorkspaceError - a table cannot be written. TrackingError - the store cannot be reached.
    AuditFailedError - remaining rows break an expectation; the footage is gone and its files are erased anyway, and
    doing it again publishes.
    """
    scope, takedown_id = plan.scope, tombstones.takedown_id(plan.scope.kind, plan.scope.value)
    _require(ws, tracking, plan, with_models)
    finished = [
        _finish(ws, settings, tracking, left) for left in tombstones.unfinished(ws) if left.takedown != takedown_id
    ]
    begun = tombstones.attempt(with_models)
    takedown = tombstones.bar(ws, scope.kind, scope.value, scope.media, reason, _prints(ws, scope), begun)
    done = _carry_out(ws, settings, tracking, plan, takedown, with_models)
    tombstones.finish(ws, takedown, with_models)
    return plan.summary() | {"takedown": takedown, "finished": finished, **done}


def _require(ws: Workspace, tracking: "Tracking | None", plan: TakedownPlan, with_models: bool) -> None:
    """Refuse what must not be deleted. Raises: PromotionError, WorkspaceError, TrackingError - as `take_down`."""
    _require_own(ws)
    if with_models:
        require_not_champion(ws, plan.models)
        require_own(ws, tracking, plan.models, plan.trainings)


def _finish(ws: Workspace, settings: Settings, tracking: "Tracking | None", left: tombstones.Unfinished) -> str:
    """Do what an earlier takedown left undone; returns its id. A champion by now stays, and its deletion undone."""
    plan, with_models = plan_takedown(ws, tracking, scope_left(ws, left)), left.with_models
    try:
        _require(ws, tracking, plan, with_models)
    except PromotionError:
        with_models = False
    _carry_out(ws, settings, tracking, plan, left.takedown, with_models)
    tombstones.finish(ws, left.takedown, with_models)
    return left.takedown


def _carry_out(
    ws: Workspace, settings: Settings, tracking: "Tracking | None", plan: TakedownPlan, takedown: str, with_models: bool
) -> dict[str, Any]:
    """All that follows the tombstones. Every step may be done twice."""
    scope = plan.scope
    tagged = _tag_models(tracking, plan, takedown) if tracking else []
    mark_releases(ws, plan.releases, takedown)
    _delete_rows(ws, plan)
    pages = _delete_pages(ws)
    unfinished = _delete_unfinished(ws)
    _take_out_of_releases(ws, scope)
    published = _publish(ws, settings)
    erased = sum(len(_erase(ws, table, "media_id", scope.media)) for table in _TABLES)
    erased += len(vacuum.erase(ws, "release_files"))
    erased += sum(_erase_line(line, scope.media) for line in standing_by(ws))
    for side in ("media_id", "other_media_id"):
        # publishing did, before its audit, unless nothing is published yet; it sees by them which clusters lost a clip
        if isinstance(published, PublishResult):
            tables.delete_rows(ws, "near_pairs", side, scope.media)
        erased += len(_erase(ws, "near_pairs", side, scope.media))
    if scope.kind == "corpus":
        erased += len(_erase(ws, "metrics", "corpus", [scope.value]))
    pictures = _erase_pictures(tracking, plan) if tracking else 0
    delete_derived(ws)
    deleted = delete_models(ws, tracking, plan.models, plan.trainings) if with_models else {}
    if isinstance(published, HeterodubError):
        raise published
    return {
        "tagged": tagged,
        "release": published.release_id,
        "release_is_new": published.is_new,
        "files_erased": erased,
        "run_files_erased": pictures,
        "pages_erased": pages,
        "unfinished_left": unfinished,
        **deleted,
    }


def _take_out_of_releases(ws: Workspace, scope: Scope) -> None:
    gone = nobody_left(ws)
    for table in PINNED:
        unread = scope.unread if table == "catalog" else ()
        take_out(ws, table, scope.media, unread, gone if table == "person_corrections" else ())
    tables.delete_rows(ws, "person_corrections", "person", gone)


def _prints(ws: Workspace, scope: Scope) -> list[tombstones.Print]:
    """Fingerprints by which copies of the footage are recognised; kept only where copies are to be kept out."""
    if not scope.with_copies:
        return []
    of_it = pc.field("media_id").isin(pa.array(sorted(scope.media), pa.string()))
    columns = ["sound_hash", "face_motion", "av_sync_score"]
    rows = [tables.read_any(line, "clips", columns, of_it) for line in (ws, *standing_by(ws))]
    return list(prints_of(pa.concat_tables(rows)))


def _require_own(ws: Workspace) -> None:
    """Raises: WorkspaceError - a folder that is to be deleted is a link to another place."""
    for name in _PAGES if ws.is_local else ():
        require_below(Path(ws.root), Path(ws.root, name))


def _tag_models(tracking: "Tracking", plan: TakedownPlan, takedown: str) -> list[str]:
    from heterodub.tasks.tracking.models import TAKEN_DOWN
    from heterodub.tasks.tracking.registry import tag_version

    tag = f"{plan.scope.kind} {takedown} {datetime.now(UTC).date().isoformat()}"
    trained = [touched.version for touched in plan.models if touched.clips]
    for version in trained:
        tag_version(tracking, version, {TAKEN_DOWN: tag})
    return [str(version) for version in trained]


def _delete_rows(ws: Workspace, plan: TakedownPlan) -> None:
    scope = plan.scope
    for line in (ws, *standing_by(ws)):
        drop_media(line, scope.media)
        tables.delete_rows(line, "catalog", "uri", [row["uri"] for row in scope.files])
    for table in ("labels", "person_corrections", "draws", "benchmarks"):
        tables.delete_rows(ws, table, "media_id", scope.media)
    if scope.kind == "corpus":
        tables.delete_rows(ws, "metrics", "corpus", [scope.value])
    for line in (ws, *standing_by(ws)):
        _rename_groups(line, scope.speakers)


def _rename_groups(ws: Workspace, gone: Collection[str]) -> None:
    """Rename groups of speakers that were named after a deleted one, after the first of the remaining ones."""
    for table in ("clips", "benchmarks"):
        rows = tables.read_any(ws, table, ["clip_id", "speaker", "split_group"]).to_pylist()
        left = {row["speaker"] for row in rows}
        names = {row["split_group"] for row in rows if row["split_group"] in gone and row["split_group"] not in left}
        changes: dict[str, str] = {}
        for name in names:
            members = [row for row in rows if row["split_group"] == name]
            new = min(row["speaker"] for row in members)
            changes |= {row["clip_id"]: new for row in members}
        if changes:
            columns = {"clip_id": list(changes), "split_group": list(changes.values())}
            tables.update_columns(ws, table, pa.table(columns))


def _publish(ws: Workspace, settings: Settings) -> PublishResult | HeterodubError:
    """Publish what is left; the error that refuses it must not keep the files from being erased."""
    try:
        policy = active_policy(ws)
        return PublishResult(None, False) if policy is None else publish(ws, settings, policy, switch="never")
    except HeterodubError as error:
        return error


def _erase(ws: Workspace, table: str, key: str, values: Collection[str]) -> list[str]:
    """Delete files that only old versions name, and files of this footage that killed writers left."""
    listed = () if ws.line else all_listed(ws, table).keys()
    gone = vacuum.erase(ws, table, listed)
    left = vacuum.strays(ws, table, key, values, listed)
    for name in left:
        remove(ws, table, name)
    return [*gone, *left]


def _erase_line(line: Workspace, media: Collection[str]) -> int:
    """Delete pairs of the footage in a line that stands by, and all files there that are not in use."""
    for side in ("media_id", "other_media_id"):
        tables.delete_rows(line, "near_pairs", side, media)
    return sum(len(_erase(line, table, "media_id", media)) for table in LINE_TABLES)


def _delete_pages(ws: Workspace) -> list[str]:
    """Delete pages; returns the deleted entries by their names below the workspace."""
    files = ws.filesystem()
    gone = []
    for folder in _PAGES:
        if files.exists(ws.path(folder)):
            names = (str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in files.ls(ws.path(folder), detail=False))
            gone += [f"{folder}/{name}" for name in sorted(names)]
            remove(ws, folder)
    return gone


def _delete_unfinished(ws: Workspace) -> int:
    """Delete unfinished files that killed runs left; returns the number of those that stay.

    While another run lives, some of them are its own, and its work would fail without them. Then only files are deleted
    that are too old for that.
    """
    if any(run.state == "running" and run.flow != "takedown" for run in runs(ws)):
        ws.sweep_scratch()
    else:
        ws.sweep_scratch(older_than_s=_COMMIT_S)
    return sum(path.is_file() for path in ws.scratch().iterdir())


def _erase_pictures(tracking: "Tracking", plan: TakedownPlan) -> int:
    """Erase pictures and films of the clips in trainings, pages that compare models on them, and dubs of the files."""
    from heterodub.tasks.tracking.deletion import erase_about
    from heterodub.tasks.tracking.registry import runs_of_benchmarks

    footage = [*(clip["clip_id"] for clip in plan.scope.clips), *sorted(plan.scope.media)]
    return erase_about(tracking, footage, [PAGE], runs_of_benchmarks(tracking, plan.benchmarks))
