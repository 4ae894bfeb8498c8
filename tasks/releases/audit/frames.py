"""Narrow frames of stored rows, one row each, on which the expectations of single rows are evaluated."""

import html
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

from .embeddings import EMBEDDING_COLUMNS, embedding_frame

_REASONS: Final = frozenset(reason.value for reason in ClipReason)
_CAUSES: Final = frozenset(cause.value for cause in MissingCause)
_HASHES: Final = ("picture_hash", "sound_hash", "face_motion")

ROW_COLUMNS: Final = {
    "catalog": [*row_columns("catalog"), "media_id"],
    "clips": [name for name in CLIPS.names if name not in _HASHES],
    "embeddings": EMBEDDING_COLUMNS,
}
"""Columns that a frame of these tables is made of."""


def frame_of(table: str, rows: pa.Table) -> pd.DataFrame:
    """Build the frame of rows of a table with its ROW_COLUMNS."""
    match table:
        case "catalog":
            return _catalog(rows)
        case "embeddings":
            return embedding_frame(rows)
    return _clips(rows)


def _catalog(rows: pa.Table) -> pd.DataFrame:
    frame = plain_frame(rows)
    measured = frame["state"] == FileState.MEASURED.value
    frame["reason_fits_state"] = frame["reason"].isna() == measured
    frame["media_id_fits_state"] = ~measured | frame["media_id"].notna()
    return escaped(frame)


def _clips(rows: pa.Table) -> pd.DataFrame:
    frame = plain_frame(rows.select(row_columns("clips")))
    signals = {name: rows[name].combine_chunks() for name in SIGNAL_NAMES}
    values = np.array([column.to_numpy(zero_copy_only=False) for column in signals.values()], float).T
    nulls = np.array([pc.is_null(column).to_numpy(zero_copy_only=False) for column in signals.values()], bool).T
    frame["not_finite"] = (~np.isfinite(values) & ~nulls).sum(axis=1)
    causes = [dict(pairs) for pairs in rows["missing"].to_pylist()]
    frame["unexplained"] = [_unexplained(explained, missing) for explained, missing in zip(causes, nulls, strict=True)]
    flags = {stage: rows[stage].to_pylist() for stage in ("stage1", "stage2")}
    reasons = {stage: rows[f"{stage}_reasons"].to_pylist() for stage in flags}
    for stage, of_clip in reasons.items():
        frame[f"{stage}_agrees"] = [flag == (not why) for flag, why in zip(flags[stage], of_clip, strict=True)]
    frame["unknown_reasons"] = [
        len({*stage1, *stage2} - _REASONS) + len({*m.values()} - _CAUSES)
        for m, stage1, stage2 in zip(causes, *reasons.values(), strict=True)
    ]
    return escaped(frame)


def _unexplained(causes: Mapping[str, str], nulls: Any) -> int:
    missing = {name for name, null in zip(SIGNAL_NAMES, nulls, strict=True) if null}
    return len(missing ^ set(causes))


def texts_of(column: pa.ChunkedArray) -> "pd.Series[Any]":
    """Return a column as text, also where all of it is null."""
    return pd.Series(column.to_pandas(), dtype="str")


def escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Escape file and speaker names: foreign text that Great Expectations writes into its pages as it is."""
    texts: list[str] = list(frame.select_dtypes("str").columns)
    return frame.assign(**{name: frame[name].map(html.escape, na_action="ignore") for name in texts})


def plain_frame(rows: pa.Table) -> pd.DataFrame:
    """Return a frame whose text columns are text and whose numbers are numbers, also where all of them are null."""
    kinds = {"string": "str", "int64": "float64", "double": "float64", "bool": "bool"}
    frame: pd.DataFrame = rows.to_pandas()
    return frame.astype({field.name: kinds[str(field.type)] for field in rows.schema})
