"""Files and clips as plain rows, filtered before anything is turned into Python objects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import and_
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import ClipReason, FileReason, FileState
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.stores.arrays import flags, texts
from heterodub.tasks.stores.labels import read_labels, texts_of
from heterodub.tasks.stores.scan import first_rows, pieces, read_where
from heterodub.tasks.stores.where import RowCondition, among, equal, is_set
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
    "stage1_label", "stage2_label", "split", "speaker", "person", "person_doubt", "near_copy_of", "same_scene_as",
    *SIGNAL_NAMES,
)  # fmt: skip
_STAGES: Final = ("stage1", "stage2")
_REASONS: Final = ("stage1_reasons", "stage2_reasons")
_OF_FILES: Final = ("media_id", "uri", "state", "reason", "clips", "media_s", "corpus", "speaker", "error")
_OF_CLIPS: Final = (
    "clip_id", "uri", "start_frame", "frames", *_STAGES, *_REASONS, "split", "speaker", "person", "person_doubt",
    "near_copy_of", "same_scene_as", *SIGNAL_NAMES,
)  # fmt: skip
"""Columns that are read for those above."""


def list_files(ws: Workspace, query: ListQuery) -> Listing:
    """List rows of FILE_COLUMNS, by uri. A route keeps files with a clip of that route; a reason keeps files that were
    refused for it, or with a clip refused for it.

    Raises: NotFoundError - there is no such state or reason.
    """
    _check("state", query.state, FileState)
    _check("reason", query.reason, (*FileReason, *ClipReason))
    conditions = list(_file_conditions(ws, query))
    page = first_rows(ws, "catalog", _OF_FILES, ["uri"], query.limit, reduce(and_, conditions) if conditions else None)
    shown = None if query.limit is None else among("media_id", page.rows["media_id"].drop_null().to_pylist())
    routes = count_routes_by(read_where(ws, "clips", ["media_id", *_STAGES], shown), "media_id")
    return Listing([_file_row(row, routes) for row in page.rows.to_pylist()], page.total)


def _file_conditions(ws: Workspace, query: ListQuery) -> Iterator[RowCondition]:
    if query.state is not None:
        yield equal("state", query.state)
    if query.route is not None:
        yield _cut_into(ws, takes(query.route))
    if query.reason is not None:
        yield equal("reason", query.reason) | _cut_into(ws, _refused_for(query.reason))


def list_clips(ws: Workspace, query: ListQuery) -> Listing:
    """List rows of CLIP_COLUMNS, by file and start. Reasons are lists; a signal that was not measured is None, and
    so is the label of a stage where no person gave one.

    Raises: NotFoundError - there is no such state or reason.
    """
    _check("state", query.state, ClipState)
    _check("reason", query.reason, ClipReason)
    conditions = list(_clip_conditions(query))
    order = ["uri", "start_frame", "clip_id"]
    page = first_rows(ws, "clips", _OF_CLIPS, order, query.limit, reduce(and_, conditions) if conditions else None)
    labels = texts_of(read_labels(ws).values())
    return Listing([_clip_row(row, labels.get(row["clip_id"], {})) for row in page.rows.to_pylist()], page.total)


def _check(what: str, value: str | None, allowed: Any) -> None:
    names = [str(name) for name in allowed]
    if value is not None and value not in names:
        raise NotFoundError(f"there is no {what} {value!r} here; known are {', '.join(names)}")


def _clip_conditions(query: ListQuery) -> Iterator[RowCondition]:
    if query.route is not None:
        yield takes(query.route)
    if query.state is not None:
        is_rejected = query.state == ClipState.REJECTED
        yield takes(Route.REJECTED) if is_rejected else is_set("stage1") | is_set("stage2")
    if query.reason is not None:
        yield _refused_for(query.reason)


def _refused_for(reason: str) -> RowCondition:
    """Return a condition for the clips that either stage refuses for this reason."""
    wanted = texts([reason])

    def mask(clips: pa.Table) -> pa.Array:
        hit = np.zeros(clips.num_rows, bool)
        for column in _REASONS:
            lists = clips[column].combine_chunks()
            hit[pc.list_parent_indices(lists).filter(pc.is_in(pc.list_flatten(lists), value_set=wanted))] = True
        return flags(hit)

    return RowCondition(frozenset(_REASONS), mask)


def _cut_into(ws: Workspace, clips: RowCondition) -> RowCondition:
    """Return a condition for the files that clips were cut from; a copy of such a file is not one of them."""
    media = (name for piece in pieces(ws, "clips", ["media_id"], clips) for name in piece["media_id"].to_pylist())
    return among("media_id", media) & equal("state", FileState.MEASURED.value)


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
