"""Effect of labels on the stored routes: applied, waiting for a re-route, or none since a clip cannot be used."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import UNUSABLE, ClipReason, Stage
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.quality.routing import as_columns, overrule, route_columns
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import Labels, label_rows, read_labels, verdicts_by_clip
from heterodub.tasks.stores.workspace import Workspace

Row = Mapping[str, Any]

_READ: Final = ["clip_id", "media_id", "stage1_reasons", "stage2_reasons", *SIGNAL_NAMES]


@dataclass(frozen=True, slots=True)
class LabelEffects:
    """Labels by their effect: (clip id, stage). unrouted: the next `route` applies or withdraws them. homeless: their
    clip is not stored any more. unusable: kept by a person, with a reason that no label overrules.
    """

    unrouted: tuple[tuple[str, Stage], ...]
    homeless: tuple[tuple[str, Stage], ...]
    unusable: tuple[tuple[str, Stage], ...]


def label_effects(ws: Workspace, policy: Policy) -> LabelEffects:
    """Compare the stored routes with what policy and labels decide; of clips that have, or had, a label.

    Raises: WorkspaceError - a table cannot be read.
    """
    labels, ever = read_labels(ws), {row["clip_id"] for row in label_rows(ws)}
    if not ever:
        return LabelEffects((), (), ())
    clips = clips_of(tables.read_any(ws, "clips", _READ), ever).to_pylist()
    there = {row["clip_id"] for row in clips}
    return LabelEffects(
        tuple(_unrouted(clips, labels, policy)),
        tuple(key for key in labels if key[0] not in there),
        tuple(
            (row["clip_id"], stage)
            for row in clips
            for stage in Stage
            if (label := labels.get((row["clip_id"], stage))) and label.keep and unusable_for(row, stage)
        ),
    )


def clips_of(clips: pa.Table, ids: Collection[str]) -> pa.Table:
    """Return the rows of a few clips. By slices, since filters load pandas, and all rows as Python objects are many."""
    places = [place for place, clip in enumerate(clips["clip_id"].to_pylist()) if clip in ids]
    return pa.concat_tables([clips.slice(0, 0), *(clips.slice(place, 1) for place in places)])


def unusable_for(row: Row, stage: Stage) -> list[str]:
    """Return the reasons of a row of `clips` for which the stage cannot use it, whatever a person says."""
    return [reason for reason in row[f"{stage}_reasons"] if reason in UNUSABLE]


def _unrouted(clips: list[dict[str, Any]], labels: Labels, policy: Policy) -> Iterator[tuple[str, Stage]]:
    said = verdicts_by_clip(labels)
    by_place = {place: said[row["clip_id"]] for place, row in enumerate(clips) if row["clip_id"] in said}
    masks = overrule(route_columns(as_columns(clips, policy), policy), len(clips), by_place)
    for stage in Stage:
        for place, row in enumerate(clips):
            decided = {str(reason) for reason, mask in masks[stage].items() if mask[place]}
            if decided != {*row[f"{stage}_reasons"]} - {str(ClipReason.STRADDLES_SPLITS)}:
                yield row["clip_id"], stage
