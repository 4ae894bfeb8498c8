"""Columns of tables: a column's meaning is in its metadata, and its unit there or in its name."""

from typing import Final

import pyarrow as pa

TEXT: Final = pa.string()
INT: Final = pa.int64()
REAL: Final = pa.float64()
FLAG: Final = pa.bool_()


def field(name: str, kind: pa.DataType, meaning: str, *, null: bool = False, unit: str = "") -> pa.Field:
    """Return a column; null: True where nulls are allowed."""
    metadata = {"meaning": meaning} | ({"unit": unit} if unit else {})
    return pa.field(name, kind, nullable=null, metadata=metadata)
