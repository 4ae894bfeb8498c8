"""Narrow frame of embeddings: in the place of their numbers, whether they are as they should be."""

from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from heterodub.schemas.expectations import row_columns
from heterodub.schemas.reasons import MissingCause

EMBEDDING_COLUMNS: Final = [
    "clip_id", "media_id", "backend", "frames", "face", "face_frames", "face_version", "voice", "voice_s",
    "voice_version", "missing",
]  # fmt: skip

_LENGTHS: Final = {"face": (0.1, 10.0), "voice": (0.999, 1.001)}
"""Lengths that the vectors may have. dlib's lie near 1.3, and no face gives nothing or ten times as much."""

_SIZES: Final = {"face": 128, "voice": 256}
_CAUSES: Final = frozenset(cause.value for cause in MissingCause)


def embedding_frame(rows: pa.Table) -> pd.DataFrame:
    """Build the frame of rows of `embeddings` with their EMBEDDING_COLUMNS."""
    columns = row_columns("embeddings")
    frame = rows.select(columns).to_pandas().astype({name: "str" for name in columns if name not in _NUMBERS})
    lists = rows.select([name for name in EMBEDDING_COLUMNS if name not in columns or name == "frames"]).to_pylist()
    for kind in _SIZES:
        frame[f"bad_{kind}"] = [_is_bad(row, kind) for row in lists]
    frame["bad_face_frames"] = [_are_bad_frames(row) for row in lists]
    frame["unexplained"] = [_unexplained(row) for row in lists]
    return frame


_NUMBERS: Final = ("frames", "voice_s")


def _is_bad(row: dict[str, Any], kind: str) -> bool:
    numbers, version = row[kind], row[f"{kind}_version"]
    if numbers is None or version is None:
        return numbers is not None or version is not None
    low, high = _LENGTHS[kind]
    vector = np.array(numbers, np.float64)
    return vector.shape != (_SIZES[kind],) or not low <= float(np.linalg.norm(vector)) <= high


def _are_bad_frames(row: dict[str, Any]) -> bool:
    chosen = row["face_frames"]
    if chosen is None or row["face"] is None:
        return chosen is not None or row["face"] is not None
    return not chosen or chosen != sorted(set(chosen)) or not 0 <= chosen[0] <= chosen[-1] < row["frames"]


def _unexplained(row: dict[str, Any]) -> int:
    causes = dict(row["missing"])
    nulls = {kind for kind in _SIZES if row[kind] is None}
    return len(nulls ^ causes.keys()) + len(set(causes.values()) - _CAUSES)
