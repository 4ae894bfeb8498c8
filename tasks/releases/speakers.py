"""Speakers of clips, counted without a look at each clip."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.reasons import ClipReason, Stage

STAGES: Final = tuple(stage.value for stage in Stage)


def refused_clips(clips: pa.Table) -> pa.Array:
    """Return the clips that were refused since they straddle splits."""
    reasons = clips["stage1_reasons"].combine_chunks()
    hit = pc.equal(reasons.flatten(), ClipReason.STRADDLES_SPLITS.value)
    return pc.unique(clips["clip_id"].combine_chunks().take(pc.list_parent_indices(reasons).filter(hit)))


def rows_of(clips: pa.Table, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return clip_id, speaker and split_group of the clips of some pairs."""
    ends = pa.array(sorted({clip for pair in pairs for clip in pair}), pa.string())
    rows = clips.select(["clip_id", "speaker", "split_group"]).filter(pc.is_in(clips["clip_id"], ends))
    return list(rows.to_pylist())


def touched_clips(clips: pa.Table, speakers: set[str]) -> pa.ChunkedArray:
    """Return True for the clips of speakers that have new clips or are among `speakers`, and of their groups."""
    is_open = pc.or_(pc.is_null(clips["split"]), pc.is_null(clips["split_group"]))
    named = pc.unique(pa.concat_arrays([pc.unique(clips["speaker"].filter(is_open)), pa.array(speakers, pa.string())]))
    theirs = pc.is_in(clips["speaker"], named)
    # the speaker a group is named after belongs to it, also when it comes back
    groups = pa.concat_arrays([pc.unique(clips["split_group"].filter(theirs)).drop_null(), named])
    return pc.or_(theirs, pc.is_in(clips["split_group"], groups))


def count_by_speaker(
    clips: pa.Table, chosen: pa.ChunkedArray, refused: pa.Array, by: str = "speaker"
) -> list[dict[str, Any]]:
    """Count some of the clips, and those that each stage has, by speaker (or group), split and split_group."""
    counts = pc.invert(pc.is_in(clips["clip_id"], refused))
    flags = {stage: pc.and_(clips[stage], counts).cast(pa.int64()) for stage in STAGES}
    keys = list(dict.fromkeys([by, "split", "split_group"]))
    rows = pa.table({name: clips[name] for name in ("clip_id", *keys)} | flags).filter(chosen)
    counted_rows = rows.group_by(keys).aggregate([("clip_id", "count"), *((stage, "sum") for stage in STAGES)])
    return list(counted_rows.sort_by([(key, "ascending") for key in keys]).to_pylist())
