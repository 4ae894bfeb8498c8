"""Effect of labels on the stored routes: applied, waiting for a re-route, or none since a clip cannot be used."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import UNUSABLE, ClipReason, Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.quality.routing import as_columns, overrule, route_columns, with_rights
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import Labels, label_rows, read_labels, verdicts_by_clip
from heterodub.tasks.stores.workspace import Workspace

Row = Mapping[str, Any]

_READ: Final = ["clip_id", "media_id", "stage1_reasons", "stage2_reasons", *RIGHTS, *SIGNAL_NAMES]


class LabelEffect(StrEnum):
    """Effect of a label on the stored route of its clip."""

    APPLIED = "applied"
    WAITING = "waiting"
    """The next `route` applies it, or withdraws it where it was removed."""
    UNUSABLE = "unusable"
    """A person keeps the clip, and it has a reason that no label overrules."""
    NO_CLIP = "no clip"
    """Its clip is not stored any more."""


def label_effect(row: Row, stage: Stage, keep: bool | None, decided: Collection[str]) -> LabelEffect:
    """Return the effect of a label on a row of `clips`. keep: None if the label was removed. decided: reasons of the
    stage by policy and labels.
    """
    if keep and unusable_for(row, stage):
        return LabelEffect.UNUSABLE
    by_route = {*row[f"{stage}_reasons"]} - {str(ClipReason.STRADDLES_SPLITS)}
    return LabelEffect.APPLIED if by_route == set(decided) else LabelEffect.WAITING


def label_effects(ws: Workspace, policy: Policy) -> dict[tuple[str, Stage], LabelEffect]:
    """Return the effects of the standing labels under a policy, and of those removed labels that still wait.

    Raises: WorkspaceError - a table cannot be read.
    """
    labels = read_labels(ws)
    removed = {(row["clip_id"], Stage(row["stage"])) for row in label_rows(ws)} - {*labels}
    clips = _labelled_clips(ws, {clip for clip, _ in (*labels, *removed)})
    rows, reasons = {row["clip_id"]: row for row in clips}, _decided(clips, labels, policy)

    def effect(key: tuple[str, Stage], keep: bool | None) -> LabelEffect:
        return label_effect(rows[key[0]], key[1], keep, reasons[key]) if key in reasons else LabelEffect.NO_CLIP

    effects = {key: effect(key, label.keep) for key, label in labels.items()}
    left = {key: effect(key, None) for key in sorted(removed)}
    return effects | {key: waiting for key, waiting in left.items() if waiting is LabelEffect.WAITING}


def clips_of(clips: pa.Table, ids: Collection[str]) -> pa.Table:
    """Return the rows of a few clips. By slices, since filters load pandas, and all rows as Python objects are many."""
    places = [place for place, clip in enumerate(clips["clip_id"].to_pylist()) if clip in ids]
    return pa.concat_tables([clips.slice(0, 0), *(clips.slice(place, 1) for place in places)])


def unusable_for(row: Row, stage: Stage) -> list[str]:
    """Return the reasons of a row of `clips` for which the stage cannot use it, whatever a person says."""
    return [reason for reason in row[f"{stage}_reasons"] if reason in UNUSABLE]


def _labelled_clips(ws: Workspace, ids: Collection[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = clips_of(tables.read_any(ws, "clips", _READ), ids).to_pylist() if ids else []
    return rows


def _decided(clips: Sequence[Row], labels: Labels, policy: Policy) -> dict[tuple[str, Stage], set[str]]:
    """Return the reasons of each clip and stage by policy and labels."""
    said = verdicts_by_clip(labels)
    by_place = {place: said[row["clip_id"]] for place, row in enumerate(clips) if row["clip_id"] in said}
    by_policy = with_rights(route_columns(as_columns(clips, policy), policy), clips, policy)
    masks = overrule(by_policy, len(clips), by_place)
    return {
        (row["clip_id"], stage): {str(reason) for reason, mask in masks[stage].items() if mask[place]}
        for stage in Stage
        for place, row in enumerate(clips)
    }
