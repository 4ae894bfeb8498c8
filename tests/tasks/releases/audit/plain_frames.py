"""Frames of every stored row in pandas, of a plain audit with which the real one is compared."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.expectations import row_columns
from heterodub.schemas.reasons import ClipReason, FileState, MissingCause
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.releases.audit.embeddings import EMBEDDING_COLUMNS, embedding_frame
from heterodub.tasks.releases.audit.frames import escaped, plain_frame, texts_of
from heterodub.tasks.releases.audit.payload import count_file, no_rows
from heterodub.tasks.releases.speakers import refused_clips
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_REASONS: Final = frozenset(reason.value for reason in ClipReason)
_CAUSES: Final = frozenset(cause.value for cause in MissingCause)
_HASHES: Final = ("picture_hash", "sound_hash", "face_motion")
_PAIR: Final = ["clip_id", "other_id"]


def all_frames(ws: Workspace) -> dict[str, pd.DataFrame]:
    """Frames of all rows of the newest versions, for all expectations."""
    catalog = _catalog(tables.read(ws, "catalog", [*row_columns("catalog"), "media_id"]))
    stored = tables.read(ws, "clips", [name for name in CLIPS.names if name not in _HASHES])
    stages = {table: _payload(ws, table, stored) for table in ("stage1", "stage2")}
    payload_clips = {table: set(frame["clip_id"]) for table, frame in stages.items()}
    clips = _clips(stored, _measured_media(ws), payload_clips)
    clips["near_in_other_splits"] = _near_in_other_splits(stored, tables.read_any(ws, "near_pairs", _PAIR))
    embeddings = embedding_frame(tables.read_any(ws, "embeddings", EMBEDDING_COLUMNS))
    return {"catalog": catalog, "clips": clips, **stages, "embeddings": embeddings}


def _near_in_other_splits(clips: pa.Table, pairs: pa.Table) -> "pd.Series[int]":
    """Count for each clip its near-copies in other splits; refused ones do not count, and have none."""
    rows = clips.filter(pc.invert(pc.is_in(clips["clip_id"], refused_clips(clips))))
    split_of = pd.Series(texts_of(rows["split"]).to_numpy(), rows["clip_id"].to_pylist())
    split_of = split_of[~split_of.index.duplicated()]  # that a clip is stored twice is another failure
    ends = pairs.to_pandas()
    splits = ends.apply(lambda column: column.map(split_of))
    apart = ends[splits.notna().all(axis=1) & (splits["clip_id"] != splits["other_id"])]
    counts = pd.concat([apart[name] for name in _PAIR]).value_counts()
    return texts_of(clips["clip_id"]).map(counts).fillna(0).astype(int)


def _measured_media(ws: Workspace) -> set[str]:
    state = pc.field("state") == FileState.MEASURED.value
    return set(tables.read(ws, "catalog", ["media_id"], None, state)["media_id"].to_pylist())


def _catalog(rows: pa.Table) -> pd.DataFrame:
    frame = plain_frame(rows)
    measured = frame["state"] == FileState.MEASURED.value
    frame["reason_fits_state"] = frame["reason"].isna() == measured
    frame["media_id_fits_state"] = ~measured | frame["media_id"].notna()
    return escaped(frame)


def _clips(rows: pa.Table, measured: set[str], payload_clips: Mapping[str, set[str]]) -> pd.DataFrame:
    frame = plain_frame(
        rows.select([name for name in rows.column_names if rows.schema.field(name).type.num_fields == 0])
    )
    signals = {name: rows[name].combine_chunks() for name in SIGNAL_NAMES}
    values = np.array([column.to_numpy(zero_copy_only=False) for column in signals.values()], float).T
    nulls = np.array([pc.is_null(column).to_numpy(zero_copy_only=False) for column in signals.values()], bool).T
    frame["not_finite"] = (~np.isfinite(values) & ~nulls).sum(axis=1)
    causes = [dict(pairs) for pairs in rows["missing"].to_pylist()]
    frame["unexplained"] = [_unexplained(explained, missing) for explained, missing in zip(causes, nulls, strict=True)]
    reasons = [(stage, rows[f"{stage}_reasons"].to_pylist()) for stage in ("stage1", "stage2")]
    for stage, of_clip in reasons:
        frame[f"{stage}_agrees"] = [flag == (not why) for flag, why in zip(frame[stage], of_clip, strict=True)]
        frame[f"in_{stage}"] = frame["clip_id"].isin(payload_clips[stage])
    codes = zip(causes, *(of_clip for _, of_clip in reasons), strict=True)
    frame["unknown_reasons"] = [
        len({*stage1, *stage2} - _REASONS) + len({*m.values()} - _CAUSES) for m, stage1, stage2 in codes
    ]
    for kind, column in (("group", "split_group"), ("speaker", "speaker")):
        frame[f"splits_of_{kind}"] = texts_of(rows[column]).map(
            texts_of(rows["split"]).groupby(texts_of(rows[column])).nunique()
        )
    for column in ("extractor", "backend"):
        frame[f"common_{column}"] = frame[column].mode().iloc[0] if len(frame) else ""
    frame["in_catalog"] = frame["media_id"].isin(measured)
    return escaped(frame)


def _unexplained(causes: Mapping[str, str], nulls: Any) -> int:
    missing = {name for name, null in zip(SIGNAL_NAMES, nulls, strict=True) if null}
    return len(missing ^ set(causes))


def _payload(ws: Workspace, table: str, clips: pa.Table) -> pd.DataFrame:
    counted = [count_file(ws, table, file).rows for file in tables.files_of(ws, table)]
    frame = pd.concat(counted or [no_rows(table)], ignore_index=True)
    return _with_clips(frame, clips, table)


def _with_clips(frame: pd.DataFrame, clips: pa.Table, table: str) -> pd.DataFrame:
    rows = clips.select(["clip_id", "media_id", "backend", "frames", table]).to_pandas()
    rows = rows.drop_duplicates("clip_id").set_index("clip_id").reindex(frame["clip_id"])
    frame["admitted"] = (rows[table] == True).to_numpy()  # noqa: E712 - null, for a clip that is not there, is not
    for column, name in (("frames", "clip_frames"), ("backend", "clip_backend"), ("media_id", "clip_media")):
        frame[name] = rows[column].to_numpy()
    return frame
