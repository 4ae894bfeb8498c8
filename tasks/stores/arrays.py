"""Arrow arrays of Python values, made from buffers: `pa.array` loads pandas, for which small answers need not wait."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa


def texts(values: Sequence[str]) -> pa.Array:
    """Array of texts. Raises: UnicodeEncodeError - one holds what is not UTF-8."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers).cast(pa.string())


def integers(values: Iterable[int]) -> pa.Array:
    """Array of whole numbers."""
    data = np.fromiter(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data.tobytes())])


def flags(values: Iterable[bool]) -> pa.Array:
    """Array of truth values."""
    data = np.fromiter(values, bool)
    return pa.Array.from_buffers(
        pa.bool_(), len(data), [None, pa.py_buffer(np.packbits(data, bitorder="little").tobytes())]
    )
