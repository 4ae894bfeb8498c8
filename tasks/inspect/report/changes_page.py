"""Content of the page about what moved between two sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import base_name
from heterodub.schemas.tables import CATALOG, CLIPS
from heterodub.tasks.inspect.explain import sentence
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.scan import read_where
from heterodub.tasks.stores.where import among
from heterodub.tasks.stores.workspace import Workspace

from .choice import Choice
from .details import Detail
from .gather import MEDIA_BYTES, TABLE_ROWS
from .numbers import Numbers, numbers
from .pictures import ClipPictures
from .reason_changes import ReasonChange
from .route_changes import REASONLESS, MovedClip, RouteChanges
from .snippets import snippets

_DETAILS: Final = 40
_THUMBNAILS: Final = 360
_EXAMPLES: Final = 6


@dataclass(frozen=True, slots=True)
class ChangedReason:
    """A reason of a stage: clips refused for it on each side, and those that moved by it. clips: examples of these."""

    stage: str
    code: str
    text: str
    before: int
    after: int
    moved: int
    clips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MovedRow:
    """A row of the page's list: a clip and a stage that admits it on one side alone."""

    clip: MovedClip
    stage: str
    changes: tuple[ReasonChange, ...]
    is_admitted: bool
    start_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Content of the page. See gather.ReportPage for what thumbnails, details, named, numbers and films are."""

    workspace: str
    changes: RouteChanges
    reasons: tuple[ChangedReason, ...]
    rows: tuple[MovedRow, ...]
    total: int
    """Rows that there would be without a limit."""
    thumbnails: Mapping[str, str]
    details: tuple[Detail, ...]
    named: Mapping[str, str]
    numbers: Numbers
    films: Mapping[str, str]
    moved: Mapping[str, MovedClip]


def gather_changes(settings: Settings, changes: RouteChanges, media: str = "some") -> ChangesPage:
    """Collect pictures, films and numbers of what moved. media: of gather.MEDIA_BYTES.

    Raises: WorkspaceError - a table is unreadable.
    """
    ws = Workspace.open(settings.workspace)
    policy = changes.after.policy or policy_in_force(ws, settings)
    every = [row for clip in changes.moved for row in _rows(clip)]
    every.sort(key=lambda row: (row.stage, [change.reason for change in row.changes]))  # clips stay in their order
    rows = every[:TABLE_ROWS]
    clips = {row.clip.clip_id: row.clip for row in rows}
    ids = tuple(clips)
    choice = Choice({}, {}, frozenset(ids[:_THUMBNAILS]), ids[:_DETAILS])
    uris = among("uri", (clip.row["uri"] for clip in clips.values()))
    catalog = {row["uri"]: row for row in read_where(ws, "catalog", CATALOG.names, uris).to_pylist()}
    pictured = [_without_payload(clips[clip]) for clip in ids if clip in choice.shown]
    thumbnails, details = ClipPictures(ws, settings, policy, choice, pictured, catalog).build()
    listed = pa.Table.from_pylist([dict(clip.row) for clip in clips.values()], schema=CLIPS)
    playable = [clip.row for clip in clips.values()]
    return ChangesPage(
        workspace=ws.root,
        changes=changes,
        reasons=tuple(_reasons(changes)),
        rows=tuple(rows),
        total=len(every),
        thumbnails=thumbnails,
        details=details,
        named={clip: base_name(moved.row["uri"]) for clip, moved in clips.items()},
        numbers=numbers(listed, listed, policy),
        films=snippets(playable if media == "all" else playable[: len(details)], catalog, settings, MEDIA_BYTES[media]),
        moved=clips,
    )


def _without_payload(clip: MovedClip) -> Mapping[str, Any]:
    """Return the row of a clip; of one that is gone as refused, for its payload went, and its file may be there."""
    return clip.row if clip.after else {**clip.row, "stage1": False, "stage2": False}


def _rows(clip: MovedClip) -> list[MovedRow]:
    places = frame_to_second(clip.row["start_frame"]), frame_to_second(clip.row["frames"])
    return [
        MovedRow(clip, stage, changes, clip.after in ("both", stage), *places)
        for stage, changes in clip.changes.items()
    ]


def _reasons(changes: RouteChanges) -> list[ChangedReason]:
    """Return the reasons of each stage by which clips moved or whose counts differ, those that moved most first."""
    reasons: list[ChangedReason] = []
    for stage, counts in changes.stages.items():
        moved: dict[str, list[str]] = {code: [] for code in counts.reasons}
        for clip in changes.moved:
            for change in clip.changes.get(stage, ()):
                moved.setdefault(change.reason, []).append(clip.clip_id)
        of_stage = [
            ChangedReason(
                stage,
                code,
                REASONLESS.get(code) or sentence(code),
                *counts.reasons.get(code, (0, 0)),
                len(ids),
                tuple(islice(ids, _EXAMPLES)),
            )
            for code, ids in moved.items()
        ]
        reasons += sorted(of_stage, key=lambda reason: (-reason.moved, reason.code))
    return reasons


def totals(changes: RouteChanges) -> dict[str, Any]:
    """Return moved clips by their two routes, the most frequent first."""
    pairs: dict[tuple[str, str], int] = {}
    for clip in changes.moved:
        pair = clip.before or "absent", clip.after or "absent"
        pairs[pair] = pairs.get(pair, 0) + 1
    return {
        f"{a} {b}": {"before": a, "after": b, "clips": count}
        for (a, b), count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    }
