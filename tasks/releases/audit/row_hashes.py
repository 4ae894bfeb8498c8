"""Hashes of ids and rows, 8 bytes each, in which all rows of a table are compared without their texts in memory."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]

IDENTITY: Final = ["clip_id", "media_id", "backend", "frames"]
"""Columns that a row of a stage and the row of its clip have in common."""

SPLIT_BITS: Final = np.uint64(7)
"""The lowest bits of every hash, which are zero: beside an id's hash they tell the row's split."""

_NULL: Final = "\0"


def hash_texts(column: pa.ChunkedArray | pa.Array) -> Hashes:
    """Hash texts; equal ones alike in every process, null as a text of its own."""
    values: Any = pc.fill_null(column, _NULL).to_pandas().to_numpy(object)
    hashes: Hashes = pd.util.hash_array(values, categorize=False) & ~SPLIT_BITS
    return hashes


def hash_rows(rows: pa.Table | pa.RecordBatch) -> Hashes:
    """Hash what each row says of its clip, as IDENTITY lists it."""
    texts = [pc.fill_null(rows[name].cast(pa.string()), _NULL) for name in IDENTITY]
    return hash_texts(pc.binary_join_element_wise(*texts, "\n"))


def sum_of(hashes: Hashes, start: int = 0) -> int:
    """Add hashes to a sum, which is the same in any order and tells how often each row is there."""
    return (start + int(hashes.sum(dtype=np.uint64))) % 2**64


def is_any_of(hashes: Hashes, of: Hashes) -> npt.NDArray[np.bool_]:
    """Return True for each hash that is among others. of: in ascending order."""
    if not len(of):
        return np.zeros(len(hashes), bool)
    places = np.searchsorted(of, hashes)
    return np.asarray(of[np.minimum(places, len(of) - 1)] == hashes)
