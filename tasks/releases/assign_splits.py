"""Assignment of splits: near-copies are found, speakers divided, and clips that would straddle refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from schemas.config.settings import SplitSettings
from schemas.reasons import ClipReason
from tasks.releases.near_duplicates import NearCopies, find_near_copies
from tasks.releases.splits import assign_splits
from tasks.stores import tables
from tasks.stores.workspace import Workspace

_READ = [
    "clip_id", "media_id", "speaker", "frames", "picture_hash", "sound_hash", "face_motion", "pairing_score",
    "stage1", "stage2", "stage1_reasons", "stage2_reasons", "split", "split_group", "near_copy_of", "same_scene_as",
]  # fmt: skip
_OWNED = _READ[8:]
"""Columns that are set here."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Number of changed rows, and notes on the splits for readers of the release."""

    changed: int
    notes: tuple[str, ...]


def assign(workspace: Workspace, settings: SplitSettings) -> Assignment:
    """Update splits, split groups and near-copies of all clips. A second call changes nothing.

    Raises: WorkspaceError - the store cannot be written.
    """
    clips = tables.read(workspace, "clips", _READ)
    copies = find_near_copies(clips)
    pairs = list(zip(copies.pairs["a"], copies.pairs["b"], strict=True))
    plan = assign_splits(clips, pairs, settings)
    straddlers = frozenset(plan.straddlers)
    changed = [
        new for row in clips.to_pylist() if (new := _row(row, plan.split, plan.group, copies, straddlers)) is not None
    ]
    if changed:
        schema = pa.schema([clips.schema.field(name) for name in ("clip_id", *_OWNED)])
        tables.update_columns(workspace, "clips", pa.Table.from_pylist(changed, schema=schema))
    for table in ("stage1", "stage2"):
        if straddlers:
            tables.delete_rows(workspace, table, "clip_id", straddlers)
    return Assignment(len(changed), plan.notes)


def _row(
    row: dict[str, object],
    splits: Mapping[str, str],
    groups: Mapping[str, str],
    copies: NearCopies,
    straddlers: frozenset[str],
) -> dict[str, object] | None:
    """Return the clip's row as it should be, or None when it is so already."""
    clip = str(row["clip_id"])
    new = {name: row[name] for name in ("clip_id", *_OWNED)}
    new |= {"split": splits[clip], "split_group": groups[clip], "near_copy_of": copies.near_copy_of.get(clip)}
    new["same_scene_as"] = copies.same_scene_as.get(clip)
    if clip in straddlers:
        for stage in ("stage1", "stage2"):
            reasons = {*row[f"{stage}_reasons"], str(ClipReason.STRADDLES_SPLITS)}  # type: ignore[misc]
            new |= {stage: False, f"{stage}_reasons": sorted(reasons)}
    return new if any(new[name] != row[name] for name in _OWNED) else None
