"""Narrow frames of the stored tables, one row per stored row, on which expectations are evaluated.

Payload is streamed a few clips at a time and only counted, so memory does not grow with the corpus.
"""

import html
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME
from heterodub.schemas.expectations import row_columns
from heterodub.schemas.reasons import ClipReason, FileState, MissingCause
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.workspace import Workspace

from .pictures import picture_size

_REASONS: Final = frozenset(reason.value for reason in ClipReason)
_CAUSES: Final = frozenset(cause.value for cause in MissingCause)
_HASHES: Final = ("picture_hash", "sound_hash", "face_motion")
_NARROW: Final = {
    "stage1": ["clip_id", "media_id", "backend", "frames"],
    "stage2": ["clip_id", "media_id", "backend", "frames", "crop_px"],
}


def all_frames(
    ws: Workspace, versions: Mapping[str, int], audited: Mapping[str, Collection[tuple[str, int]]]
) -> dict[str, pd.DataFrame]:
    """Build the narrow frame of each audited table.

    `audited` names payload files, by name and size, whose payload was counted for an earlier release: they are
    not opened for it again. What compares rows with each other or with other tables always covers all rows.

    Raises: NotFoundError - there is no such version.
    """
    catalog = _catalog(tables.read(ws, "catalog", [*row_columns("catalog"), "media_id"], versions["catalog"]))
    stored = tables.read(ws, "clips", [name for name in CLIPS.names if name not in _HASHES], versions["clips"])
    stages = {
        table: _payload(ws, table, versions[table], audited.get(table, ()), stored) for table in ("stage1", "stage2")
    }
    measured = _measured_media(ws, versions["catalog"])
    payload_clips = {table: set(frame["clip_id"]) for table, frame in stages.items()}
    return {"catalog": catalog, "clips": _clips(stored, measured, payload_clips), **stages}


def _measured_media(ws: Workspace, version: int) -> set[str]:
    state = pc.field("state") == FileState.MEASURED.value
    return set(tables.read(ws, "catalog", ["media_id"], version, state)["media_id"].to_pylist())


def _catalog(rows: pa.Table) -> pd.DataFrame:
    frame = _plain(rows)
    measured = frame["state"] == FileState.MEASURED.value
    frame["reason_fits_state"] = frame["reason"].isna() == measured
    frame["media_id_fits_state"] = ~measured | frame["media_id"].notna()
    return _escaped(frame)


def _clips(rows: pa.Table, measured: set[str], payload_clips: Mapping[str, set[str]]) -> pd.DataFrame:
    frame = _plain(rows.select(row_columns("clips")))
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
        frame[f"splits_of_{kind}"] = _text(rows[column]).map(
            _text(rows["split"]).groupby(_text(rows[column])).nunique()
        )
    for column in ("extractor", "backend"):
        frame[f"common_{column}"] = frame[column].mode().iloc[0] if len(frame) else ""
    frame["in_catalog"] = frame["media_id"].isin(measured)
    return _escaped(frame)


def _unexplained(causes: Mapping[str, str], nulls: Any) -> int:
    missing = {name for name, null in zip(SIGNAL_NAMES, nulls, strict=True) if null}
    return len(missing ^ set(causes))


def _payload(
    ws: Workspace, table: str, version: int, audited: Collection[tuple[str, int]], clips: pa.Table
) -> pd.DataFrame:
    audited_files, (count, counts) = frozenset(audited), _COUNTERS[table]

    def is_known(file: DataFile) -> bool:
        return (file.name, file.size_bytes) in audited_files

    old = tables.batches(ws, table, version, _NARROW[table], is_known)
    new = tables.batches(ws, table, version, None, lambda file: not is_known(file))
    pieces = [piece.to_pandas() for piece in old]
    pieces += [piece.select(_NARROW[table]).to_pandas().assign(**count(piece)) for piece in new]
    # Counts of files that were audited before stay null, and null passes.
    frame = pd.concat(pieces or [pd.DataFrame({"clip_id": pd.Series(dtype="str")})], ignore_index=True)
    frame = frame.reindex(columns=[*_NARROW[table], *counts])
    return _with_clips(frame, clips, table)


def _with_clips(frame: pd.DataFrame, clips: pa.Table, table: str) -> pd.DataFrame:
    rows = clips.select(["clip_id", "media_id", "backend", "frames", table]).to_pandas()
    rows = rows.drop_duplicates("clip_id").set_index("clip_id").reindex(frame["clip_id"])
    frame["admitted"] = (rows[table] == True).to_numpy()  # noqa: E712 - null, for a clip that is not there, is not
    for column, name in (("frames", "clip_frames"), ("backend", "clip_backend"), ("media_id", "clip_media")):
        frame[name] = rows[column].to_numpy()
    return frame


def _count_stage1(batch: pa.RecordBatch) -> dict[str, Any]:
    columns, bad = _matrix(batch["mel"], MEL_BANDS)
    due = np.asarray(batch["frames"]) * MEL_COLUMNS_PER_FRAME
    return _count_face(batch) | {"mel_columns": columns, "mel_columns_due": due, "bad_mel": bad}


def _count_stage2(batch: pa.RecordBatch) -> dict[str, Any]:
    boxes, bad_boxes = _matrix(batch["crop_boxes"], 3, lambda rows: rows[:, 2] > 0)
    sides = batch["crop_px"].to_pylist()
    bad = [
        sum(picture_size(crop.as_py() or b"") != (side, side) for crop in crops.values)
        for crops, side in zip(batch["crops"], sides, strict=True)
    ]
    counts = {"boxes": boxes, "bad_boxes": bad_boxes, "pictures": _lengths(batch["crops"]), "bad_pictures": bad}
    return _count_face(batch) | counts


_FACE_COUNTS: Final = ("landmark_rows", "bad_landmarks", "tracked_flags")
_COUNTERS: Final = {
    "stage1": (_count_stage1, (*_FACE_COUNTS, "mel_columns", "mel_columns_due", "bad_mel")),
    "stage2": (_count_stage2, (*_FACE_COUNTS, "boxes", "bad_boxes", "pictures", "bad_pictures")),
}
"""Counts taken of the payload of each table: the function, and the columns that it gives."""


def _count_face(batch: pa.RecordBatch) -> dict[str, Any]:
    rows, bad = _matrix(batch["landmarks"], LANDMARK_POINTS * 2)
    return {"landmark_rows": rows, "bad_landmarks": bad, "tracked_flags": _lengths(batch["tracked"])}


def _lengths(column: pa.Array) -> Any:
    return pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)


def _matrix(column: pa.Array, width: int, fits: Callable[[Any], Any] | None = None) -> tuple[Any, Any]:
    """Count rows of each clip's matrix, and how many of them are null, hold a number not finite, or do not fit."""
    lengths = _lengths(column)
    rows = column.flatten()
    good = np.asarray(pc.fill_null(pc.equal(pc.list_value_length(rows), width), False)).copy()
    numbers = rows.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)  # a null row has none
    good[good] = np.isfinite(numbers).all(axis=1) & (fits(numbers) if fits else True)
    owner = np.repeat(np.arange(len(column)), lengths)
    return lengths, np.bincount(owner, ~good, len(column)).astype(int)


def _text(column: pa.ChunkedArray) -> "pd.Series[Any]":
    return pd.Series(column.to_pandas(), dtype="str")


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Escape file and speaker names: foreign text that Great Expectations writes into its pages as it is."""
    texts: list[str] = list(frame.select_dtypes("str").columns)
    return frame.assign(**{name: frame[name].map(html.escape, na_action="ignore") for name in texts})


def _plain(rows: pa.Table) -> pd.DataFrame:
    """Return a frame whose text columns are text and whose numbers are numbers, also where all of them are null."""
    kinds = {"string": "str", "int64": "float64", "double": "float64", "bool": "bool"}
    frame: pd.DataFrame = rows.to_pandas()
    return frame.astype({field.name: kinds[str(field.type)] for field in rows.schema})
