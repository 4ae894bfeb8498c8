"""Content of the page about a workspace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import base_name
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import FileState
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import CATALOG
from heterodub.tasks.inspect.explain import CLIP_COLUMNS, sentence
from heterodub.tasks.inspect.lookup import find
from heterodub.tasks.inspect.routes import route_numbers, route_of
from heterodub.tasks.inspect.status import Status, status
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.labels import read_labels, texts_of
from heterodub.tasks.stores.scan import first_rows, pieces, read_where
from heterodub.tasks.stores.tables import in_order
from heterodub.tasks.stores.where import among, equal, is_null
from heterodub.tasks.stores.workspace import Workspace

from .choice import Choice, choose
from .details import Detail
from .histograms import Histogram, histograms
from .numbers import Numbers, numbers
from .pictures import ClipPictures
from .snippets import snippets
from .strata import StratumTable, stated_languages, stratum_tables

TABLE_ROWS: Final = 3000
"""Clips in the page's table; more would make the page slow, and `list --clips` has them all."""

MEDIA_BYTES: Final[Mapping[str, int]] = {"none": 0, "some": 8_000_000, "all": 60_000_000}
"""Films of clips, as written into the page, stay below this: of none, of the clips shown in detail, of all listed."""

_FILE_NAMES: Final = 6

_CHOSEN_BY: Final = ["clip_id", "speaker", "person", "stage1", "stage2", "stage1_reasons", "stage2_reasons"]
_OF_ALL: Final = [*_CHOSEN_BY, "frames", "corpus", "licence", *SIGNAL_NAMES, "missing"]
"""Columns that are read of every clip; whole rows are read only of those that are shown."""
_FILM: Final = ["clip_id", "uri", "start_frame", "frames"]

_ORDER: Final = ("uri", "start_frame", "clip_id")

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
    people: int
    routes: tuple[ReportGroup, ...]
    file_reasons: tuple[ReportGroup, ...]
    stage_reasons: tuple[tuple[str, tuple[ReportGroup, ...]], ...]
    strata: tuple[StratumTable, ...]
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
    languages = stated_languages(ws)
    clips = read_where(ws, "clips", [*_OF_ALL, *(["uri"] if languages.num_rows else [])], None)
    choice = choose(clips.select(_CHOSEN_BY), [_clip(ws, name) for name in requested])
    pictured = in_order(read_where(ws, "clips", CLIP_COLUMNS, among("clip_id", choice.shown)), _ORDER)
    first = first_rows(ws, "clips", CLIP_COLUMNS, _ORDER, TABLE_ROWS).rows
    shown = pa.concat_tables([first, pictured.filter(pc.invert(pc.is_in(pictured["clip_id"], first["clip_id"])))])
    of_shown = read_where(ws, "catalog", CATALOG.names, among("uri", shown["uri"].to_pylist()))
    catalog = {row["uri"]: row for row in of_shown.to_pylist()}
    thumbnails, details = ClipPictures(ws, settings, policy, choice, pictured.to_pylist(), catalog).build()
    return ReportPage(
        status=status(settings),
        seconds=frame_to_second(int(pc.sum(clips["frames"]).as_py() or 0)),
        speakers=len(pc.unique(clips["speaker"])),
        people=len(pc.unique(clips["person"].drop_null())),
        routes=_routes(clips, choice),
        file_reasons=_file_reasons(ws),
        stage_reasons=tuple((stage, _stage_reasons(clips, stage, choice)) for stage in ("stage1", "stage2")),
        strata=stratum_tables(clips, languages),
        histograms=tuple(histograms(clips, policy)),
        rows=tuple(_listed(row) for row in first.to_pylist()),
        clips=clips.num_rows,
        thumbnails=thumbnails,
        details=details,
        named={row["clip_id"]: base_name(row["uri"]) for row in shown.select(_FILM).to_pylist()},
        files=tuple(_files(ws)),
        numbers=numbers(shown, clips, policy),
        films=snippets(_most_wanted(details, shown, media), catalog, settings, MEDIA_BYTES[media]),
        labels=texts_of(read_labels(ws).values()),
    )


def _files(ws: Workspace) -> Iterator[Row]:
    """Yield files for the table: those that gave no clips first, by reason."""
    left = TABLE_ROWS
    for is_measured in (False, True):
        state = equal("state", FileState.MEASURED.value)
        for order, reason in ((["uri"], is_null("reason")), (["reason", "uri"], ~is_null("reason"))):
            if left:
                where = (state if is_measured else ~state) & reason
                rows = first_rows(ws, "catalog", CATALOG.names, order, left, where).rows.to_pylist()
                left -= len(rows)
                yield from rows


def _most_wanted(details: Sequence[Detail], clips: pa.Table, media: str) -> list[Row]:
    """Return the clips to hear and watch: those refused for their sound first, then the others in detail, then all."""
    rows = {row["clip_id"]: row for row in clips.select(_FILM).to_pylist()}
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


def _routes(clips: pa.Table, choice: Choice) -> tuple[ReportGroup, ...]:
    routes = pa.array([*_ROUTE_TEXTS]).take(pa.array(route_numbers(clips)))
    groups = _groups(routes, clips["frames"], clips.num_rows, _ROUTE_TEXTS.get, choice.by_route)
    by_route = {group.code: group for group in groups}
    return tuple(by_route.get(route, ReportGroup(route, text, 0, 0.0, 0.0)) for route, text in _ROUTE_TEXTS.items())


def _stage_reasons(clips: pa.Table, stage: str, choice: Choice) -> tuple[ReportGroup, ...]:
    examples = {code: ids for (refuses, code), ids in choice.by_reason.items() if refuses == stage}
    reasons = clips[f"{stage}_reasons"].combine_chunks()
    frames = clips["frames"].take(pc.list_parent_indices(reasons))
    return _groups(pc.list_flatten(reasons), frames, clips.num_rows, sentence, examples)


def _groups(
    codes: pa.Array,
    frames: pa.ChunkedArray,
    clips: int,
    text: Callable[[str], str | None],
    examples: Mapping[str, tuple[str, ...]],
) -> tuple[ReportGroup, ...]:
    """Group codes of clips, each with the clip's frames, the most frequent first; a share is one of all clips."""
    encoded = codes.dictionary_encode()
    number, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    counts = np.bincount(number, minlength=len(names)).tolist()
    sums = np.bincount(number, frames.to_numpy(), len(names)).tolist()
    groups = (
        ReportGroup(code, text(code) or code, count, frame_to_second(int(total)), count / clips, examples.get(code, ()))
        for code, count, total in zip(names, counts, sums, strict=True)
    )
    return tuple(sorted(groups, key=lambda group: (-group.count, group.code)))


def _file_reasons(ws: Workspace) -> tuple[ReportGroup, ...]:
    refused = ~equal("state", FileState.MEASURED.value) & ~is_null("reason")
    seconds: dict[str, list[float]] = {}
    names: dict[str, list[str]] = {}
    for piece in pieces(ws, "catalog", ["reason", "media_s", "uri"], refused):
        for reason, media_s, uri in zip(*(column.to_pylist() for column in piece.columns), strict=True):
            seconds.setdefault(reason, []).append(media_s)
            if len(examples := names.setdefault(reason, [])) < _FILE_NAMES:
                examples.append(base_name(uri))
    most = max(map(len, seconds.values()), default=1)
    groups = [
        ReportGroup(code, sentence(code), len(each), sum(each), len(each) / most, names=tuple(names[code]))
        for code, each in seconds.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.count, group.code)))
