"""Content of the page about a workspace."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import base_name
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import FileState
from heterodub.tasks.inspect.explain import sentence
from heterodub.tasks.inspect.lookup import find
from heterodub.tasks.inspect.report.details import Choice, choose
from heterodub.tasks.inspect.routes import route_of
from heterodub.tasks.inspect.status import Status, status
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.labels import read_labels, texts_of
from heterodub.tasks.stores.workspace import Workspace

from .details import Detail
from .histograms import Histogram, histograms
from .numbers import Numbers, numbers
from .pictures import ClipPictures
from .snippets import snippets

TABLE_ROWS: Final = 3000
"""Clips in the page's table; more would make the page slow, and `list --clips` has them all."""

MEDIA_BYTES: Final[Mapping[str, int]] = {"none": 0, "some": 8_000_000, "all": 60_000_000}
"""Films of clips, as written into the page, stay below this: of none, of the clips shown in detail, of all listed."""

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
    files: tuple[Row, ...]
    """Of the catalog, those that gave no clips first."""
    numbers: Numbers
    films: Mapping[str, str]
    """Data URIs by clip_id."""
    labels: Mapping[str, Mapping[str, str]]
    """Labels of people in words, by clip_id and stage."""


def gather(settings: Settings, requested: Sequence[str], media: str = "some") -> ReportPage:
    """Read the workspace of the settings. `requested`: starts of clip ids to show in detail, too. `media`: of
    MEDIA_BYTES.

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
    thumbnails, details = ClipPictures(ws, settings, policy, choice, pictured.to_pylist(), catalog).build()
    first = clips.slice(0, TABLE_ROWS)
    listed = tuple(_listed(row) for row in first.to_pylist())
    shown = pa.concat_tables([first, pictured.filter(pc.invert(pc.is_in(pictured["clip_id"], first["clip_id"])))])
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
        named={row["clip_id"]: base_name(row["uri"]) for row in shown.select(_LIGHT).to_pylist()},
        files=tuple(sorted(catalog.values(), key=_by_refusal)[:TABLE_ROWS]),
        numbers=numbers(shown, clips, policy),
        films=snippets(_most_wanted(details, shown, media), catalog, settings, MEDIA_BYTES[media]),
        labels=texts_of(read_labels(ws).values()),
    )


def _by_refusal(row: Row) -> tuple[bool, str, str]:
    return row["state"] == FileState.MEASURED, row["reason"] or "", row["uri"]


def _most_wanted(details: Sequence[Detail], clips: pa.Table, media: str) -> list[Row]:
    """Return the clips to hear and watch: those refused for their sound first, then the others in detail, then all."""
    rows = {row["clip_id"]: row for row in clips.select(_LIGHT).to_pylist()}
    by_sound = sorted(details, key=lambda entry: not any(signal.group != "picture" for _, signal in entry.refusals))
    chosen = dict.fromkeys(entry.answer.clip_id for entry in by_sound)
    return [rows[clip] for clip in (chosen | dict.fromkeys(rows) if media == "all" else chosen)]


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


_ROUTE_TEXTS: Final = {
    "both": "feeds both stages",
    "stage1": "landmark generation only",
    "stage2": "landmark translation only",
    "rejected": "kept as rows, with every reason",
}


def _routes(rows: Sequence[Row], choice: Choice) -> tuple[ReportGroup, ...]:
    groups = _groups(rows, lambda row: [str(route_of(row["stage1"], row["stage2"]))], _ROUTE_TEXTS.get, choice.by_route)
    by_route = {group.code: group for group in groups}
    return tuple(by_route.get(route, ReportGroup(route, text, 0, 0.0, 0.0)) for route, text in _ROUTE_TEXTS.items())


def _stage_reasons(rows: Sequence[Row], stage: str, choice: Choice) -> tuple[ReportGroup, ...]:
    examples = {code: clips for (refuses, code), clips in choice.by_reason.items() if refuses == stage}
    return _groups(rows, itemgetter(f"{stage}_reasons"), sentence, examples)


def _groups(
    rows: Sequence[Row],
    codes_of: Callable[[Row], Iterable[str]],
    text: Callable[[str], str | None],
    examples: Mapping[str, tuple[str, ...]],
) -> tuple[ReportGroup, ...]:
    """Group clips by their codes, the most frequent first."""
    frames: dict[str, list[int]] = {}
    for row in rows:
        for code in codes_of(row):
            frames.setdefault(code, []).append(row["frames"])
    groups = (
        ReportGroup(
            code,
            text(code) or code,
            len(lengths),
            frame_to_second(sum(lengths)),
            len(lengths) / len(rows),
            examples.get(code, ()),
        )
        for code, lengths in frames.items()
    )
    return tuple(sorted(groups, key=lambda group: (-group.count, group.code)))


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
