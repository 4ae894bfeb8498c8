"""Labels of files on their clips: where the file is, its corpus, its speaker, and the rights in it."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import counted
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import RIGHTS_REASONS, Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.tables import TABLES
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.workspace import Workspace

_LOG = logging.getLogger(__name__)

_READ: Final = ["clip_id", "media_id", "speaker", "split_group", "stage1", "stage2", "stage1_reasons", "stage2_reasons"]

Row = dict[str, Any]


def label_clips(workspace: Workspace, rows: Mapping[str, Row]) -> None:
    """Copy labels from the catalog's rows, by media, to their clips.

    A clip whose speaker becomes another leaves its split group: publishing gives it that of its speaker. A clip whose
    rights do not allow a stage any more leaves that stage at once; one that they allow again waits for `route`, which
    may have to decode it.
    """
    chosen = pc.field("media_id").isin(pa.array(list(rows), pa.string()))
    clips = tables.read(workspace, "clips", _READ, filter=chosen).to_pylist()
    if not clips:
        return
    policy = active_policy(workspace)
    labelled = [_relabelled(clip, rows[clip["media_id"]]) for clip in clips]
    routed = [_with_rights(clip, policy) for clip in labelled] if policy else labelled
    schema = pa.schema([TABLES["clips"].field(name) for name in routed[0]])
    tables.update_columns(workspace, "clips", pa.Table.from_pylist(routed, schema=schema))
    for stage in Stage:
        left = {now["clip_id"] for was, now in zip(clips, routed, strict=True) if was[stage] and not now[stage]}
        if left:
            _LOG.warning("%s: their rights do not allow %s any more", counted(len(left), "clip"), stage)
            tables.delete_rows(workspace, stage.value, "clip_id", left)
        if waiting := sum(_may_return(clip, stage, policy) for clip in routed) if policy else 0:
            _LOG.warning("%s may be used for %s again: `heterodub route` does", counted(waiting, "clip"), stage)


def _relabelled(clip: Row, file: Row) -> Row:
    speaker = file["speaker"] or f"file:{clip['media_id']}"
    kept = {name: clip[name] for name in _READ if name not in ("media_id", "speaker")}
    return kept | {
        **{name: file[name] for name in ("uri", "corpus", *RIGHTS)},
        "speaker": speaker,
        "split_group": clip["split_group"] if speaker == clip["speaker"] else None,
    }


def _with_rights(clip: Row, policy: Policy) -> Row:
    """Return a row that is refused by each stage that its rights do not allow."""
    routed = dict(clip)
    for stage in Stage:
        if refusals := policy.rights.refusals(stage, clip):
            routed[stage.value] = False
            routed[f"{stage}_reasons"] = sorted({*clip[f"{stage}_reasons"], *map(str, refusals)})
    return routed


def _may_return(clip: Row, stage: Stage, policy: Policy) -> bool:
    return not (RIGHTS_REASONS.isdisjoint(clip[f"{stage}_reasons"]) or policy.rights.refusals(stage, clip))
