"""Rows put aside on disk, in a file without a name: it is gone with whoever wrote it, killed or not."""

import io
import os
import tempfile
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

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
