"""Rows of a Parquet table as plain values, and limits on what its footer claims, checked before anything is read.

Tables of strangers unpack to far more than their size: a page of some hundred bytes to gigabytes, and one entry of a
dictionary to as many copies as there are rows.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_COLUMN_BYTES: Final = 1 << 27
"""A column of a row group that claims more holds no labels that a person wrote."""

_TEXT_BYTES: Final = 1 << 20
"""Likewise of one text, as of the .json in a shard."""

_BATCH_BYTES: Final = 1 << 25
_BATCH_ROWS: Final = 64

_FREE_BYTES: Final = 1 << 26
_EXPANSION: Final = 64
"""A column of media may unpack to _FREE_BYTES and so many times its size: films hardly compress; uncompressed sound and
pictures do, but not by this.
"""


def scalar_columns(schema: Any, names: Collection[str]) -> list[str]:
    """Return those of some columns that hold neither lists nor structs, which could hold any number of values a row."""
    import pyarrow.types as kinds

    return [
        field.name
        for field in schema
        if field.name in names and not kinds.is_nested(getattr(field.type, "storage_type", field.type))
    ]


def read_rows(table: "pq.ParquetFile", columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the values of some columns row by row, by their names. columns: no lists, see scalar_columns.

    Raises: ValueError - a column or a text is too large. pyarrow.ArrowException - the table is damaged.
    """
    for number in range(table.metadata.num_row_groups):
        rows = _rows_at_once(table.metadata.row_group(number), columns)
        for batch in table.iter_batches(rows, row_groups=[number], columns=list(columns), use_threads=False):
            _check_texts(batch)
            yield from batch.to_pylist()


def _rows_at_once(group: Any, columns: Collection[str]) -> int:
    """Return how many rows fit the memory, if each of them holds what the column does: a dictionary's one entry."""
    sizes: dict[str, int] = {chunk.path_in_schema: chunk.total_uncompressed_size for chunk in _chunks(group, columns)}
    for name, size in sizes.items():
        if size > _COLUMN_BYTES:
            raise ValueError(f"column {name}: {size} bytes in one row group; at most {_COLUMN_BYTES} are read")
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, sum(sizes.values()))))


def _check_texts(batch: Any) -> None:
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    if batch.nbytes <= _TEXT_BYTES:
        return
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        texts = column.field("path") if kinds.is_struct(column.type) else column
        texts = texts.dictionary if kinds.is_dictionary(texts.type) else texts
        if any(is_kind(texts.type) for is_kind in (kinds.is_string, kinds.is_large_string, kinds.is_binary)):
            longest = pc.max(pc.binary_length(texts)).as_py() or 0
            if longest > _TEXT_BYTES:
                raise ValueError(f"column {name}: a text of {longest} bytes; at most {_TEXT_BYTES} are read")


def check_media_sizes(table: "pq.ParquetFile", column: str, file_bytes: int) -> None:
    """Compare what a column of media claims with the size of the file.

    Raises: ValueError - a row group would be larger than the file, or unpack to many times its size.
    """
    for number in range(table.metadata.num_row_groups):
        for chunk in _chunks(table.metadata.row_group(number), [column]):
            packed, unpacked = chunk.total_compressed_size, chunk.total_uncompressed_size
            if packed > file_bytes:
                raise ValueError(f"column {column}: {packed} bytes are claimed of a file of {file_bytes}")
            if unpacked > _FREE_BYTES + _EXPANSION * packed:
                raise ValueError(f"column {column}: {packed} bytes claim to unpack to {unpacked}")


def _chunks(group: Any, columns: Collection[str]) -> Iterator[Any]:
    return (chunk for chunk in map(group.column, range(group.num_columns)) if chunk.path_in_schema in columns)
