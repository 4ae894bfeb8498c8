"""Content of the page about a workspace."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from model.features.timing import frame_to_second
from schemas.config.settings import Settings
from schemas.display import base_name
from schemas.errors import NotFoundError
from schemas.policy import Policy
from schemas.reasons import FileState
from tasks.inspect.explain import sentence
from tasks.inspect.lookup import find
from tasks.inspect.routes import Route, route_of
from tasks.inspect.status import Status, status
from tasks.stores import tables
from tasks.stores.active_policy import policy_in_force
from tasks.stores.workspace import Workspace

from .choose import Choice, choose
from .details import RAW_FRAMES, Detail, data_uri, detail
from .histograms import Histogram, histograms
from .payload import Stage1Payload, Stage2Payload, stage1_of, stage2_of
from .stills import FrameRequest, raw_stills, spread, thumbnail

TABLE_ROWS: Final = 3000
"""Clips in the page's table; more would make the page slow, and `list --clips` has them all."""

DETAIL_BYTES: Final = 9_000_000
"""Pictures of details, as written into the page, stay below this."""

_FILE_NAMES: Final = 6

_LIGHT: Final = [
    "clip_id", "media_id", "uri", "speaker", "start_frame", "frames", "stage1", "stage2", "stage1_reasons",
    "stage2_reasons",
]  # fmt: skip
"""Columns that are read of every clip; whole rows are read only of those that are shown."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReportGroup:
    """Clips or files that share a route or a reason. `clips` are examples with thumbnails, `names` of files."""

    code: str
    text: str
    count: int
    seconds: float
    share: float
    clips: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Content of the page. `thumbnails` maps clip_id to a data URI."""

    status: Status
    seconds: float
    speakers: int
    routes: tuple[ReportGroup, ...]
    file_reasons: tuple[ReportGroup, ...]
    stage_reasons: tuple[tuple[str, tuple[ReportGroup, ...]], ...]
    histograms: tuple[Histogram, ...]
    rows: tuple[Row, ...]
    clips: int
    thumbnails: Mapping[str, str]
    details: tuple[Detail, ...]
    named: Mapping[str, str]
    """Base name of each clip's file, fit for people, by clip_id."""


def gather(settings: Settings, requested: Sequence[str]) -> ReportPage:
    """Read the workspace of the settings. `requested`: starts of clip ids to show in detail, too.

    Raises: NotFoundError - no or several clips of that id. WorkspaceError - there is none, or a table is unreadable.
    """
    ws = Workspace.open(settings.workspace)
    policy = policy_in_force(ws, settings)
    clips = tables.read_any(ws, "clips").drop_columns(["picture_hash", "sound_hash", "face_motion"])
    clips = clips.sort_by([("uri", "ascending"), ("start_frame", "ascending"), ("clip_id", "ascending")])
    rows: list[dict[str, Any]] = clips.select(_LIGHT).to_pylist()
    catalog = {row["uri"]: row for row in tables.read_any(ws, "catalog").to_pylist()}
    choice = choose(rows, [_clip(ws, name) for name in requested])
    pictured = clips.filter(pc.is_in(clips["clip_id"], value_set=pa.array(sorted(choice.shown), pa.string())))
    thumbnails, details = _Pictures(ws, settings, policy, choice, pictured.to_pylist(), catalog).build()
    listed = tuple(_listed(row) for row in clips.slice(0, TABLE_ROWS).to_pylist())
    return ReportPage(
        status=status(settings),
        seconds=frame_to_second(int(pc.sum(clips["frames"]).as_py() or 0)),
        speakers=len(pc.unique(clips["speaker"])),
        routes=_routes(rows, choice),
        file_reasons=_file_reasons(list(catalog.values())),
        stage_reasons=tuple((stage, _stage_reasons(rows, stage, choice)) for stage in ("stage1", "stage2")),
        histograms=tuple(histograms(clips, policy)),
        rows=listed,
        clips=len(rows),
        thumbnails=thumbnails,
        details=details,
        named={row["clip_id"]: base_name(row["uri"]) for row in (*listed, *pictured.select(_LIGHT).to_pylist())},
    )


def _listed(row: Row) -> Row:
    """Return a row of the table, with times and the route besides its columns."""
    return {
        **row,
        "start_s": frame_to_second(row["start_frame"]),
        "length_s": frame_to_second(row["frames"]),
        "route": str(route_of(row["stage1"], row["stage2"])),
    }


def _clip(ws: Workspace, name: str) -> str:
    match = find(ws, name)
    if match.clip_id is None:
        raise NotFoundError(f"{name!r} is a file; --clip takes the start of a clip id, see `heterodub list --clips`")
    return match.clip_id


def _routes(rows: Sequence[Row], choice: Choice) -> tuple[ReportGroup, ...]:
    texts = {"both": "feeds both stages", "stage1": "landmark generation only", "stage2": "landmark translation only"}
    counts: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    for row in rows:
        route = str(route_of(row["stage1"], row["stage2"]))
        counts[route] += 1
        frames[route] += row["frames"]
    return tuple(
        ReportGroup(
            route,
            texts.get(route, "kept as rows, with every reason"),
            counts[route],
            frame_to_second(frames[route]),
            counts[route] / max(len(rows), 1),
            choice.by_route[route],
        )
        for route in map(str, Route)
    )


def _file_reasons(files: Sequence[Row]) -> tuple[ReportGroup, ...]:
    by_reason: dict[str, list[Row]] = {}
    for row in files:
        if row["reason"] is not None and row["state"] != FileState.MEASURED:
            by_reason.setdefault(row["reason"], []).append(row)
    most = max(map(len, by_reason.values()), default=1)
    groups = [
        ReportGroup(
            code,
            sentence(code),
            len(same),
            sum(row["media_s"] for row in same),
            len(same) / most,
            names=tuple(base_name(row["uri"]) for row in same[:_FILE_NAMES]),
        )
        for code, same in by_reason.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.count, group.code)))


def _stage_reasons(rows: Sequence[Row], stage: str, choice: Choice) -> tuple[ReportGroup, ...]:
    counts: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    for row in rows:
        for reason in row[f"{stage}_reasons"]:
            counts[reason] += 1
            frames[reason] += row["frames"]
    return tuple(
        ReportGroup(
            code,
            sentence(code),
            count,
            frame_to_second(frames[code]),
            count / max(len(rows), 1),
            choice.by_reason.get((stage, code), ()),
        )
        for code, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    )


class _Pictures:
    """Builder of thumbnails and details: from stored payload, else from raw files."""

    def __init__(
        self,
        ws: Workspace,
        settings: Settings,
        policy: Policy,
        choice: Choice,
        rows: Sequence[Row],
        catalog: Mapping[str, Row],
    ) -> None:
        self._ws, self._settings, self._policy = ws, settings, policy
        self._choice, self._catalog = choice, catalog
        self._rows = {row["clip_id"]: row for row in rows}

    def build(self) -> tuple[dict[str, str], tuple[Detail, ...]]:
        """Return thumbnails as data URIs by clip_id, and details in the order they were chosen."""
        shown = self._choice.shown
        stage1 = {clip.clip_id: clip for clip in stage1_of(self._ws, set(self._choice.details))}
        stored = {row["clip_id"] for row in self._rows.values() if row["stage2"]}
        raw = self._raw(sorted(shown - stored), stage1)
        thumbnails: dict[str, str] = {}
        details: dict[str, Detail] = {}
        for stage2 in stage2_of(self._ws, shown):
            thumbnails[stage2.clip_id] = data_uri(thumbnail(stage2.crop(len(stage2.points) // 2)))
            if stage2.clip_id in self._choice.details:
                details[stage2.clip_id] = self._detail(stage2.clip_id, stage2, stage1.get(stage2.clip_id), {})
        for clip in shown - thumbnails.keys():
            frames = raw.get(clip, {})
            if frames:
                thumbnails[clip] = data_uri(thumbnail(frames[sorted(frames)[len(frames) // 2]]))
            if clip in self._choice.details:
                details[clip] = self._detail(clip, None, stage1.get(clip), frames)
        return thumbnails, _bounded([details[clip] for clip in self._choice.details])

    def _detail(
        self, clip: str, stage2: Stage2Payload | None, stage1: Stage1Payload | None, raw: Mapping[int, bytes]
    ) -> Detail:
        return detail(self._rows[clip], self._policy, stage2, stage1, raw)

    def _raw(self, clips: Sequence[str], stage1: Mapping[str, Stage1Payload]) -> dict[str, dict[int, bytes]]:
        files: dict[str, list[FrameRequest]] = {}
        for clip in clips:
            row = self._rows[clip]
            count = RAW_FRAMES if clip in self._choice.details else 1
            frames = spread(row["start_frame"], row["frames"], count) if count > 1 else (_middle(row),)
            window = stage1[clip].window() if clip in stage1 else None
            files.setdefault(row["uri"], []).append(FrameRequest(clip, frames, window))
        return raw_stills(files, self._catalog, self._settings)


def _middle(row: Row) -> int:
    return int(row["start_frame"] + row["frames"] // 2)


def _bounded(details: list[Detail]) -> tuple[Detail, ...]:
    """Return as many details as the page has room for."""
    kept: list[Detail] = []
    size = 0
    for entry in details:
        shapes = sum(len(path) for shape in entry.shapes for path in shape.values())
        size += sum(map(len, entry.frames)) + len(entry.mel or "") + shapes
        if size > DETAIL_BYTES and kept:
            break
        kept.append(entry)
    return tuple(kept)
