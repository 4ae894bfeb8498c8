"""Routes of all clips on two sides: now and under another policy, or in a release and now. What moved, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.ingestion.reroute import Reroute, plan_reroute
from heterodub.tasks.inspect.routes import route_of
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import kept_policy
from heterodub.tasks.stores.workspace import Workspace

from .reason_changes import ReasonChange, RouteSide, reason_change

NEW, GONE, OVERRULED = "new_clip", "gone_clip", "overruled"
REASONLESS: Final = {
    NEW: "the clip was not there before",
    GONE: "the clip is not there any more",
    OVERRULED: "the reasons are the same on both sides; something other than limits decides",
}
"""Codes, with their sentences, for what moves without a reason of the policy."""

_DECIDED: Final = ["clip_id", *Stage, *(f"{stage}_reasons" for stage in Stage)]

Mask = NDArray[np.bool_]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MovedClip:
    """A clip that one stage at least admits on one side alone. Routes: None where the clip is not there.

    changes: by stage. row: of the clips table, as it is after, or was.
    """

    clip_id: str
    before: str | None
    after: str | None
    changes: Mapping[str, tuple[ReasonChange, ...]]
    row: Row


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Clips that a stage admits on both sides or on one alone. reasons: clips refused for each, before and after."""

    both: int
    only_before: int
    only_after: int
    reasons: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RouteChanges:
    """Everything that moved between two sides. moved: by reason, then by file and time."""

    before: RouteSide
    after: RouteSide
    new: int
    gone: int
    stages: Mapping[str, StageCounts]
    moved: tuple[MovedClip, ...]


def changes_by_policy(ws: Workspace, policy: Policy, standing: Policy) -> RouteChanges:
    """Compare the routes that stand with those that `policy` would give. standing: the policy in force.

    Raises: WorkspaceError - the workspace cannot be read.
    """
    plan = plan_reroute(ws, policy)
    moved = np.flatnonzero(np.logical_or.reduce([plan.before[stage] != plan.after[stage] for stage in Stage]))
    before = _Routes.of(plan.clips, moved)
    after = _Routes(
        {stage: plan.after[stage][moved].tolist() for stage in Stage},
        {stage: _refusals(plan, stage, moved) for stage in Stage},
    )
    ids = plan.clips["clip_id"].take(pa.array(moved)).to_pylist()
    rows = _rows(ws, ids, plan.clips_version)
    sides = (
        RouteSide("now", standing, plan.clips.num_rows),
        RouteSide(_title(policy, standing), policy, plan.clips.num_rows),
    )
    stages = {stage.value: _count(plan.before[stage], plan.after[stage], plan.reason_changes(stage)) for stage in Stage}
    return RouteChanges(*sides, 0, 0, stages, _moved(sides, ids, (before, after), (rows, rows)))


def _title(policy: Policy, standing: Policy) -> str:
    """Name a policy, with its hash where the one in force has the same name and version."""
    words = f"policy {policy.name} {policy.version}"
    return f"{words} ({policy.hash})" if (policy.name, policy.version) == (standing.name, standing.version) else words


def changes_since(ws: Workspace, release: Release, standing: Policy) -> RouteChanges:
    """Compare the routes of a release with those that stand now. standing: the policy in force.

    Raises: NotFoundError - a file of the release is gone. WorkspaceError - the workspace cannot be read.
    """
    # an ingest may write while this reads
    versions = releases.table_files(ws, release, "clips"), tables.files_of(ws, "clips")
    then, now = (tables.read(ws, "clips", _DECIDED, version) for version in versions)
    both = pa.concat_tables([now, then.filter(pc.invert(pc.is_in(then["clip_id"], now["clip_id"].combine_chunks())))])
    places = [pc.index_in(both["clip_id"], table["clip_id"].combine_chunks()) for table in (then, now)]
    is_there = [place.is_valid().to_numpy(zero_copy_only=False) for place in places]
    admitted = [
        {stage: pc.fill_null(table[stage].take(place), False).to_numpy(zero_copy_only=False) for stage in Stage}
        for table, place in zip((then, now), places, strict=True)
    ]
    moved = np.flatnonzero(np.logical_or.reduce([admitted[0][stage] != admitted[1][stage] for stage in Stage]))
    ids = both["clip_id"].take(pa.array(moved)).to_pylist()
    routes = [_Routes.of(table, place.take(pa.array(moved))) for table, place in zip((then, now), places, strict=True)]
    sides = (
        RouteSide(f"release {release.release_id}", kept_policy(ws, release.policy), then.num_rows),
        RouteSide("now", standing, now.num_rows),
    )
    stages = {
        stage.value: _count(admitted[0][stage], admitted[1][stage], _reason_counts(then, now, stage)) for stage in Stage
    }
    rows = _rows(ws, ids, versions[0]), _rows(ws, ids, versions[1])
    counts = int((~is_there[0]).sum()), int((~is_there[1]).sum())
    return RouteChanges(*sides, *counts, stages, _moved(sides, ids, (routes[0], routes[1]), rows))


@dataclass(frozen=True, slots=True)
class _Routes:
    """Routes of the moved clips on one side, in their order; None where a clip is not there."""

    admitted: Mapping[Stage, Sequence[bool | None]]
    reasons: Mapping[Stage, Sequence[Sequence[str] | None]]

    @classmethod
    def of(cls, table: pa.Table, places: Any) -> "_Routes":
        taken = table.select(_DECIDED[1:]).take(pa.array(places) if isinstance(places, np.ndarray) else places)
        return cls(
            {stage: taken[stage].to_pylist() for stage in Stage},
            {stage: taken[f"{stage}_reasons"].to_pylist() for stage in Stage},
        )

    def route(self, at: int) -> str | None:
        first, second = (self.admitted[stage][at] for stage in Stage)
        return None if first is None or second is None else str(route_of(first, second))


def _refusals(plan: Reroute, stage: Stage, moved: NDArray[np.int64]) -> list[list[str]]:
    masks = plan.refusals[stage]
    return [[str(reason) for reason in sorted(masks) if masks[reason][clip]] for clip in moved]


def _count(before: Mask, after: Mask, reasons: Mapping[str, tuple[int, int]]) -> StageCounts:
    return StageCounts(int((before & after).sum()), int((before & ~after).sum()), int((~before & after).sum()), reasons)


def _reason_counts(then: pa.Table, now: pa.Table, stage: Stage) -> dict[str, tuple[int, int]]:
    old, new = (Counter(pc.list_flatten(table[f"{stage}_reasons"]).to_pylist()) for table in (then, now))
    return {reason: (old[reason], new[reason]) for reason in sorted({*old, *new}) if old[reason] != new[reason]}


def _rows(ws: Workspace, ids: Sequence[str], version: tables.TableVersion) -> dict[str, Row]:
    wanted = pc.field("clip_id").isin(pa.array(ids, pa.string()))
    table = tables.read(ws, "clips", None, version, wanted)
    return {row["clip_id"]: row for row in table.to_pylist()}


def _moved(
    sides: tuple[RouteSide, RouteSide],
    ids: Sequence[str],
    routes: tuple[_Routes, _Routes],
    rows: tuple[Mapping[str, Row], Mapping[str, Row]],
) -> tuple[MovedClip, ...]:
    moved = []
    for at, clip in enumerate(ids):
        clip_rows = rows[0].get(clip), rows[1].get(clip)
        by_stage = {stage.value: _changed(sides, stage, at, routes, clip_rows) for stage in Stage}
        changes = {stage: reasons for stage, reasons in by_stage.items() if reasons}
        row = clip_rows[1] or rows[0][clip]
        moved.append(MovedClip(clip, routes[0].route(at), routes[1].route(at), changes, row))
    return tuple(sorted(moved, key=_order))


def _order(clip: MovedClip) -> tuple[Any, ...]:
    firsts = [(stage, change.reason) for stage, changes in clip.changes.items() for change in changes[:1]]
    return firsts, clip.row["uri"], clip.row["start_frame"], clip.clip_id


def _changed(
    sides: tuple[RouteSide, RouteSide],
    stage: Stage,
    at: int,
    routes: tuple[_Routes, _Routes],
    rows: tuple[Row | None, Row | None],
) -> tuple[ReasonChange, ...]:
    """Return the reasons that changed where the stage admits the clip on one side alone."""
    before, after = (side.admitted[stage][at] for side in routes)
    if bool(before) == bool(after):
        return ()
    if before is None or after is None:
        return (ReasonChange(NEW if before is None else GONE, refuses_after=after is None),)
    old, new = (frozenset(side.reasons[stage][at] or ()) for side in routes)
    change = partial(reason_change, sides, stage, rows)
    changes = tuple(change(reason, reason in new) for reason in sorted(old ^ new))
    return changes or (ReasonChange(OVERRULED, refuses_after=not after),)


def describe_changes(changes: RouteChanges) -> dict[str, Any]:
    """Return the changes as plain values: counts, and each moved clip with both routes and the reasons that changed."""
    return {
        "before": _side(changes.before),
        "after": _side(changes.after),
        "new": changes.new,
        "gone": changes.gone,
        **{
            stage: {
                **{name: getattr(counts, name) for name in ("both", "only_before", "only_after")},
                "reasons": {reason: {"before": b, "after": a} for reason, (b, a) in counts.reasons.items()},
            }
            for stage, counts in changes.stages.items()
        },
        "changed": [
            {
                "clip_id": clip.clip_id,
                "before": clip.before,
                "after": clip.after,
                "reasons": {stage: [asdict(change) for change in of_stage] for stage, of_stage in clip.changes.items()},
            }
            for clip in changes.moved
        ],
    }


def _side(side: RouteSide) -> dict[str, Any]:
    return {"name": side.label, "only": side.only, "policy": side.policy and side.policy.hash, "clips": side.clips}
