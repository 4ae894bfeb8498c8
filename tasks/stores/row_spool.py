"""Rows put aside on disk, in a file without a name: it is gone with whoever wrote it, killed or not."""

import io
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_URIS: Final = pa.schema([pa.field("uri", pa.string(), nullable=False)])


class RowSpool:
    """Rows of a schema, written once and read as often as needed, a batch at a time. No more can be added once it was
    read. Several may read at once.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema, self.rows = schema, 0
        self._file = tempfile.TemporaryFile(prefix="heterodub-")  # noqa: SIM115 - lives as long as the spool
        self._writer = pa.ipc.new_stream(self._file, schema)

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Write rows behind those that are there."""
        if rows.num_rows:
            self._writer.write(rows)
            self.rows += rows.num_rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they were added."""
        self._writer.close()
        self._file.flush()
        with pa.ipc.open_stream(io.BufferedReader(_FromStart(self._file.fileno()), _READ_BYTES)) as stream:
            yield from stream

    def table(self) -> pa.Table:
        """All rows, in memory."""
        return pa.Table.from_batches(self, self.schema)


_READ_BYTES: Final = 1 << 20

PART_ROWS: Final = 65_536
"""Rows that are compared at once: some 50 MB of listed files and their rows of the catalog."""

_MOST_PARTS: Final = 256


class _FromStart(io.RawIOBase):
    """An open file from its start, with a place of its own."""

    def __init__(self, handle: int) -> None:
        super().__init__()
        self._handle, self._place = handle, 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        """Read on from its place."""
        view = memoryview(target).cast("B")
        data = os.pread(self._handle, len(view), self._place)
        view[: len(data)] = data
        self._place += len(data)
        return len(data)


class UriSet:
    """Addresses on disk, of which some can be looked up."""

    def __init__(self) -> None:
        self._spool = RowSpool(_URIS)

    def add(self, uris: pa.Array | pa.ChunkedArray) -> None:
        """Add addresses. Not once some were looked up."""
        self._spool.add(pa.table([uris], schema=_URIS))

    def among(self, uris: Collection[str]) -> frozenset[str]:
        """Return those of some addresses that are in the set. Reads all of it."""
        if not uris or not self._spool.rows:
            return frozenset()
        return uris_among(self._spool, uris)


def uris_among(spool: RowSpool, uris: Collection[str]) -> frozenset[str]:
    """Return those of some addresses that stand in the column `uri` of a spool."""
    wanted = pa.array(sorted(uris), pa.string())
    hits = (batch["uri"].filter(pc.is_in(batch["uri"], value_set=wanted)).to_pylist() for batch in spool)
    return frozenset(uri for found in hits for uri in found)


def part_count(rows: int) -> int:
    """Number of parts for so many rows; each is an open file."""
    return min(_MOST_PARTS, 1 + rows // PART_ROWS)


def divided(batches: Iterable[pa.RecordBatch], schema: pa.Schema, count: int, key: str = "uri") -> list[RowSpool]:
    """Divide rows by a text that each has, in their order; equal ones come into the same part."""
    spools = [RowSpool(schema) for _ in range(count)]
    for batch in batches:
        numbers = part_of(batch[key], count)
        ordered = batch.select(schema.names).cast(schema).take(pa.array(np.argsort(numbers, kind="stable")))
        ends = np.cumsum(np.bincount(numbers, minlength=count))
        for number, (start, end) in enumerate(zip((0, *ends[:-1]), ends, strict=True)):
            spools[number].add(ordered.slice(start, end - start))
    return spools


def part_of(uris: pa.Array, count: int) -> np.ndarray:
    """Number of the part of each text, from 0 to less than `count`, by its letters and their places."""
    _, ends, letters = uris.buffers()
    bounds = np.frombuffer(ends, np.int32)[uris.offset : uris.offset + len(uris) + 1].astype(np.int64)
    data = np.frombuffer(letters or b"", np.uint8)[bounds[0] : bounds[-1]]
    bounds -= bounds[0]
    mixed = np.arange(len(data), dtype=np.uint32)  # 32 bits: sums may overflow
    mixed -= np.repeat(bounds[:-1].astype(np.uint32), np.diff(bounds))
    mixed = (mixed * _ODD + _ODD) * (data + np.uint32(1))
    sums = np.zeros(len(data) + 1, np.uint32)
    np.cumsum(mixed ^ (mixed >> np.uint32(15)), dtype=np.uint32, out=sums[1:])
    hashes = (sums[bounds[1:]] - sums[bounds[:-1]]) * _ODD
    numbers: np.ndarray = ((hashes >> np.uint32(13)) % np.uint32(count)).astype(np.int64)
    return numbers


_ODD: Final = np.uint32(0x9E3779B1)


def places_of_first(values: pa.Array) -> pa.Array:
    """Places at which each value stands for the first time, in their order."""
    firsts = pc.index_in(values, value_set=values)
    return firsts.filter(pc.equal(firsts, pa.array(np.arange(len(values), dtype=np.int32))))
