"""Files and clips as plain rows, filtered before anything is turned into Python objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import ClipReason, FileReason, FileState
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import read_labels, texts_of
from heterodub.tasks.stores.workspace import Workspace

from .routes import Route, count_routes_by, route_of, takes

Row = dict[str, Any]


class ClipState(StrEnum):
    """State of a clip: admitted if at least one stage takes it."""

    ADMITTED = "admitted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Filter of rows; None filters nothing. `limit` cuts the rows, not the count that comes with them."""

    state: str | None = None
    route: Route | None = None
    reason: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows in a stable order, and their number without the limit."""

    rows: list[Row]
    total: int


FILE_COLUMNS: Final = (
    "media_id", "uri", "state", "reason", "clips", *(str(route) for route in Route), "seconds", "corpus", "speaker",
    "error",
)  # fmt: skip
CLIP_COLUMNS: Final = (
    "clip_id", "uri", "start_s", "length_s", "state", "route", "stage1_reasons", "stage2_reasons",
    "stage1_label", "stage2_label", "split", "speaker", "near_copy_of", "same_scene_as", *SIGNAL_NAMES,
)  # fmt: skip
_STAGES: Final = ("stage1", "stage2")
_REASONS: Final = ["stage1_reasons", "stage2_reasons"]


def list_files(ws: Workspace, query: ListQuery) -> Listing:
    """List rows of FILE_COLUMNS, by uri. A route keeps files with a clip of that route; a reason keeps files that were
    refused for it, or with a clip refused for it.

    Raises: NotFoundError - there is no such state or reason.
    """
    _check("state", query.state, FileState)
    _check("reason", query.reason, (*FileReason, *ClipReason))
    clips = tables.read_any(ws, "clips", ["media_id", *_STAGES, *_REASONS])
    catalog = tables.read_any(ws, "catalog", filter=None if query.state is None else pc.field("state") == query.state)
    if query.route is not None:
        catalog = _of_media(catalog, clips.filter(takes(query.route)))
    if query.reason is not None:
        of_file = pc.fill_null(pc.equal(catalog["reason"], query.reason), False)
        of_clips = _media_mask(catalog, clips.filter(_refused_for(clips, query.reason)))
        catalog = catalog.filter(pc.or_(of_file, of_clips))
    page = catalog.sort_by("uri").slice(0, query.limit)
    routes = count_routes_by(clips, "media_id")
    return Listing([_file_row(row, routes) for row in page.to_pylist()], catalog.num_rows)


def list_clips(ws: Workspace, query: ListQuery) -> Listing:
    """List rows of CLIP_COLUMNS, by file and start. Reasons are lists; a signal that was not measured is None, and
    so is the label of a stage where no person gave one.

    Raises: NotFoundError - there is no such state or reason.
    """
    _check("state", query.state, ClipState)
    _check("reason", query.reason, ClipReason)
    clips = tables.read_any(ws, "clips", filter=_clip_filter(query))
    if query.reason is not None:
        clips = clips.filter(_refused_for(clips, query.reason))
    order = [("uri", "ascending"), ("start_frame", "ascending"), ("clip_id", "ascending")]
    page = clips.sort_by(order).slice(0, query.limit)
    labels = texts_of(read_labels(ws).values())
    return Listing([_clip_row(row, labels.get(row["clip_id"], {})) for row in page.to_pylist()], clips.num_rows)


def _check(what: str, value: str | None, allowed: Any) -> None:
    names = [str(name) for name in allowed]
    if value is not None and value not in names:
        raise NotFoundError(f"there is no {what} {value!r} here; known are {', '.join(names)}")


def _clip_filter(query: ListQuery) -> Any:
    chosen = None if query.route is None else takes(query.route)
    if query.state is None:
        return chosen
    refused = takes(Route.REJECTED)
    state = refused if query.state == ClipState.REJECTED else ~refused
    return state if chosen is None else chosen & state


def _refused_for(clips: pa.Table, reason: str) -> Any:
    """Return a mask of the clips that either stage refuses for this reason."""
    hit: set[int] = set()
    for column in _REASONS:
        lists = clips[column].combine_chunks()
        parents, reasons = pc.list_parent_indices(lists), pc.list_flatten(lists)
        hit.update(parents.filter(pc.equal(reasons, reason)).to_pylist())
    return pa.array([number in hit for number in range(clips.num_rows)], pa.bool_())


def _media_mask(catalog: pa.Table, clips: pa.Table) -> Any:
    """Return a mask of the files that these clips were cut from; a copy of such a file is not one of them."""
    cut = pc.is_in(catalog["media_id"], value_set=pc.unique(clips["media_id"]))
    return pc.and_(cut, pc.equal(catalog["state"], FileState.MEASURED.value))


def _of_media(catalog: pa.Table, clips: pa.Table) -> pa.Table:
    return catalog.filter(_media_mask(catalog, clips))


def _file_row(row: Row, routes: dict[str, dict[str, int]]) -> Row:
    none = dict.fromkeys(map(str, Route), 0)
    cut = routes.get(row["media_id"], none) if row["state"] == FileState.MEASURED else none
    derived = {"seconds": round(row["media_s"], 2), **cut}
    return {name: derived[name] if name in derived else row[name] for name in FILE_COLUMNS}


def _clip_row(row: Row, labels: Mapping[str, str]) -> Row:
    route = route_of(row["stage1"], row["stage2"])
    derived = {
        "start_s": frame_to_second(row["start_frame"]),
        "length_s": frame_to_second(row["frames"]),
        "state": str(ClipState.REJECTED if route is Route.REJECTED else ClipState.ADMITTED),
        "route": str(route),
        **{f"{stage}_label": labels.get(stage) for stage in _STAGES},
    }
    return {name: derived[name] if name in derived else row[name] for name in CLIP_COLUMNS}
