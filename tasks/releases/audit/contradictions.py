"""Frames of rows that may contradict others, on which the expectations across rows are evaluated."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.reasons import FileState
from heterodub.tasks.identity.units import with_units
from heterodub.tasks.releases.speakers import refused_clips
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.parquet import PAYLOAD
from heterodub.tasks.stores.workspace import Workspace

from .across import CLIP_COLUMNS, PAIR, Suspects, is_hashed, pairs_of, rows_where
from .frames import escaped, texts_of
from .row_hashes import IDENTITY


def suspect_frames(
    ws: Workspace, files: Mapping[str, Sequence[DataFile]], suspects: Suspects
) -> dict[str, pd.DataFrame]:
    """Build a frame of the suspects of each table. Rows that share what makes one suspect are all in it, so that what
    is counted among them is what would be counted among all rows.

    Raises: NotFoundError - a file is gone. WorkspaceError - one is damaged.
    """
    uris = rows_where(
        ws, "catalog", files["catalog"] if len(suspects.uris) else (), ["uri"], is_hashed("uri", suspects.uris)
    )
    clips = rows_where(ws, "clips", files["clips"] if suspects.has_clips else (), CLIP_COLUMNS, suspects.among)
    stages = {
        stage: rows_where(ws, stage, files[stage], IDENTITY, is_hashed("clip_id", suspects.payload[stage]))
        if stage in suspects.payload
        else tables.read(ws, stage, IDENTITY, ())
        for stage in PAYLOAD
    }
    frames = {"catalog": escaped(pd.DataFrame({"uri": texts_of(uris["uri"])}))}
    frames["clips"] = _clips(with_units(clips), _measured(ws, files["catalog"], clips), stages, suspects)
    frames["clips"]["near_in_other_splits"] = _near_in_other_splits(clips, pairs_of(ws, clips["clip_id"].to_pylist()))
    return frames | {stage: _payload(rows, clips, stage) for stage, rows in stages.items()}


def _measured(ws: Workspace, files: Sequence[DataFile], clips: pa.Table) -> set[str]:
    of_them = pc.field("media_id").isin(pc.unique(clips["media_id"].combine_chunks()))
    state = pc.field("state") == FileState.MEASURED.value
    return set(tables.read(ws, "catalog", ["media_id"], files, of_them & state)["media_id"].to_pylist())


def _clips(clips: pa.Table, measured: set[str], stages: Mapping[str, pa.Table], suspects: Suspects) -> pd.DataFrame:
    names = ["clip_id", "media_id", "speaker", "split_group", "extractor", "backend"]
    frame = pd.DataFrame({name: texts_of(clips[name]) for name in names})
    splits = texts_of(clips["split"])
    for kind, column in (("group", "split_group"), ("speaker", "speaker")):
        frame[f"splits_of_{kind}"] = frame[column].map(splits.groupby(frame[column]).nunique())
    for column in ("extractor", "backend"):
        frame[f"common_{column}"] = suspects.common.get(column, frame[column])
    frame["in_catalog"] = frame["media_id"].isin(measured)
    for stage, rows in stages.items():
        admitted = clips[stage].to_pandas().astype(bool)
        frame[stage] = admitted
        if stage not in suspects.payload:  # each clip that it admits is in it, and no other
            frame[f"in_{stage}"] = admitted
            continue
        is_open = is_hashed("clip_id", suspects.payload[stage])(clips).to_numpy(zero_copy_only=False)
        stored = frame["clip_id"].isin(set(rows["clip_id"].to_pylist()))
        frame[f"in_{stage}"] = stored.where(is_open, admitted)
    return escaped(frame)


def _near_in_other_splits(clips: pa.Table, pairs: pa.Table) -> "pd.Series[int]":
    """Count for each clip its near-copies in other splits; refused ones do not count, and have none."""
    rows = clips.filter(pc.invert(pc.is_in(clips["clip_id"], refused_clips(clips))))
    split_of = pd.Series(texts_of(rows["split"]).to_numpy(), rows["clip_id"].to_pylist())
    split_of = split_of[~split_of.index.duplicated()]  # that a clip is stored twice is another failure
    ends = pairs.to_pandas()
    splits = ends.apply(lambda column: column.map(split_of))
    apart = ends[splits.notna().all(axis=1) & (splits["clip_id"] != splits["other_id"])]
    counts = pd.concat([apart[name] for name in PAIR]).value_counts()
    return texts_of(clips["clip_id"]).map(counts).fillna(0).astype(int)


def _payload(rows: pa.Table, clips: pa.Table, stage: str) -> pd.DataFrame:
    """Put beside each row what `clips` says of its clip."""
    frame: Any = pd.DataFrame({name: texts_of(rows[name]) for name in ("clip_id", "media_id", "backend")})
    frame["frames"] = rows["frames"].to_pandas().astype(float)
    own = clips.select(["clip_id", "media_id", "backend", "frames", stage]).to_pandas()
    own = own.drop_duplicates("clip_id").set_index("clip_id").reindex(frame["clip_id"])
    frame["admitted"] = (own[stage] == True).to_numpy()  # noqa: E712 - null, for a clip that is not there, is not
    for column, name in (("frames", "clip_frames"), ("backend", "clip_backend"), ("media_id", "clip_media")):
        frame[name] = own[column].to_numpy()
    return frame
