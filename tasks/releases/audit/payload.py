"""Counts of what payload files hold: one narrow row per stored row, in the place of its landmarks, mel and crops."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME, SENONES
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.parquet import stream_file
from heterodub.tasks.stores.workspace import Workspace

from .pictures import picture_size
from .row_hashes import IDENTITY, hash_rows, sum_of

NARROW: Final = {"stage1": IDENTITY, "stage2": [*IDENTITY, "crop_px"]}
"""Small columns of each payload table that are audited as they are."""


@dataclass(frozen=True, slots=True)
class CountedFile:
    """A row for each row of a payload file, and the sum of the rows' hashes."""

    rows: pd.DataFrame
    rows_hash: int


def count_file(ws: Workspace, table: str, file: DataFile) -> CountedFile:
    """Count what a payload file holds, a row group at a time.

    Raises: NotFoundError - the file was erased. WorkspaceError - it is damaged.
    """
    count, counts = _COUNTERS[table]
    pieces, rows_hash = [pd.DataFrame(columns=[*NARROW[table], *counts])], 0
    for rows in stream_file(ws, table, file, None):
        rows_hash = sum_of(hash_rows(rows), rows_hash)
        narrow = rows.select(NARROW[table]).to_pandas()
        pieces.append(narrow.assign(**count(rows.combine_chunks().to_batches()[0])))
    return CountedFile(pd.concat(pieces[1:] or pieces, ignore_index=True), rows_hash)


def no_rows(table: str) -> pd.DataFrame:
    """Return an empty frame with the columns of counted rows."""
    return pd.DataFrame(columns=[*NARROW[table], *_COUNTERS[table][1]]).astype({"clip_id": "str"})


def _count_stage1(batch: pa.RecordBatch) -> dict[str, Any]:
    columns, bad = _matrix(batch["mel"], MEL_BANDS)
    due = np.asarray(batch["frames"]) * MEL_COLUMNS_PER_FRAME
    counts = {"mel_columns": columns, "mel_columns_due": due, "bad_mel": bad, "bad_senones": _bad_senones(batch, due)}
    return _count_face(batch) | counts


def _bad_senones(batch: pa.RecordBatch, due: NDArray[np.int64]) -> NDArray[np.bool_]:
    sizes = pc.binary_length(batch["senones"])
    as_due = pc.equal(sizes, pa.array(due * SENONES, sizes.type))
    fits = pc.if_else(pc.is_null(sizes), pc.is_null(batch["senones_version"]), as_due)
    named = pc.or_(pc.is_null(sizes), pc.is_valid(batch["senones_version"]))
    return np.asarray(pc.invert(pc.and_(fits, named)))


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
    "stage1": (_count_stage1, (*_FACE_COUNTS, "mel_columns", "mel_columns_due", "bad_mel", "bad_senones")),
    "stage2": (_count_stage2, (*_FACE_COUNTS, "boxes", "bad_boxes", "pictures", "bad_pictures")),
}
"""Counts taken of the payload of each table: the function, and the columns that it gives."""


def _count_face(batch: pa.RecordBatch) -> dict[str, Any]:
    rows, bad = _matrix(batch["landmarks"], LANDMARK_POINTS * 2)
    return {"landmark_rows": rows, "bad_landmarks": bad, "tracked_flags": _lengths(batch["tracked"])}


def _lengths(column: pa.Array) -> Any:
    return pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)


def _matrix(column: pa.Array, width: int, fits: Callable[[Any], Any] | None = None) -> tuple[Any, Any]:
    """Count rows of each clip's matrix, and of those the ones that are null or of another width, that hold a number
    which is not finite, or that do not fit.
    """
    lengths = _lengths(column)
    rows = column.flatten()
    as_wide = pc.fill_null(pc.equal(pc.list_value_length(rows), width), False)
    good = as_wide.to_numpy(zero_copy_only=False).copy()
    numbers = rows.filter(as_wide).flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    good[good] = np.isfinite(numbers).all(axis=1) & (fits(numbers) if fits else True)
    owner = np.repeat(np.arange(len(column)), lengths)
    return lengths, np.bincount(owner, ~good, len(column)).astype(int)
