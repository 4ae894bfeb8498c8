"""Listed files as Arrow rows: a source may have more files than memory has room for records."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import islice
from typing import Final

import pyarrow as pa

from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile

LISTING: Final = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("stamp", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        *(pa.field(label, pa.string()) for label in ("speaker", "licence", "consent", "language", "purpose")),
        pa.field("offset_s", pa.float64(), nullable=False),
        pa.field("refusal", pa.string()),
        pa.field("refusal_detail", pa.string(), nullable=False),
        pa.field("within", pa.string()),
    ]
)
"""Columns of RawFile, in its order."""

_BATCH_FILES: Final = 16_384
"""Records that are held at once: some 8 MB."""


def listing_batches(files: Iterable[RawFile]) -> Iterator[pa.RecordBatch]:
    """Yield files as rows, in their order, some thousands at a time."""
    left = iter(files)
    while batch := list(islice(left, _BATCH_FILES)):
        yield pa.record_batch(
            [pa.array([getattr(raw, name) for raw in batch], LISTING.field(name).type) for name in _NAMES],
            schema=LISTING,
        )


def raw_files(rows: pa.RecordBatch | pa.Table) -> Iterator[RawFile]:
    """Yield the files of rows; columns that are not of a listing are passed over."""
    for row in rows.select(_NAMES).to_pylist():
        refusal = row.pop("refusal")
        yield RawFile(**row, refusal=None if refusal is None else FileReason(refusal))


_NAMES: Final = [each.name for each in fields(RawFile)]
