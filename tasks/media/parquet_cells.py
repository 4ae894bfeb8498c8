"""Media in the cells of Parquet tables, as the `datasets` library stores them: structs of bytes and path."""

import io
import json
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.parquet_rows import check_media_sizes

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_BUFFER_BYTES: Final = 1 << 20
"""Read at a time; without a buffer Arrow reads all of a row group's column at once."""


def open_table(file: BinaryIO) -> "pq.ParquetFile":
    """Open a table; its footer is read.

    Raises: ValueError, pyarrow.ArrowException - it is no Parquet. OSError - the file cannot be read.
    """
    import pyarrow.parquet as pq  # it takes a while, and most who open media hold no table

    return pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)


def media_columns(schema: Any) -> list[str]:
    """Return the columns that hold a file a row: Video, Audio and Image features, and structs that look like them."""
    import pyarrow.types as kinds

    return [
        field.name
        for field in schema
        if kinds.is_struct(field.type)
        and {part.name for part in field.type} == {"bytes", "path"}
        and (kinds.is_binary(field.type.field("bytes").type) or kinds.is_large_binary(field.type.field("bytes").type))
        and _is_text(field.type.field("path").type)
    ]


def _is_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_null(kind))


def class_names(schema: Any) -> dict[str, list[str]]:
    """Return the names of the classes of each column of numbers, as the `datasets` library keeps them beside it."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            str(column): [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def sizes(table: "pq.ParquetFile", column: str) -> Iterator[int | None]:
    """Yield about how many bytes each row holds of a column, None where it holds none.

    The mean of the row group, which is known without reading it; only a group with cells that are null, or without
    statistics, is read, a cell at a time: see check_media_sizes for what these may claim.
    """
    for number in range(table.metadata.num_row_groups):
        group = table.metadata.row_group(number)
        chunk = _chunk(group, f"{column}.bytes")
        if chunk.statistics is not None and chunk.statistics.null_count == 0:
            mean = max(1, chunk.total_uncompressed_size // max(1, group.num_rows))
            yield from (mean for _ in range(group.num_rows))
        else:
            for value in _cells(table, number, column):
                yield value.as_buffer().size if value is not None and value.is_valid else None


def _chunk(group: Any, path: str) -> Any:
    return next(one for one in map(group.column, range(group.num_columns)) if one.path_in_schema == path)


def _cells(table: "pq.ParquetFile", group: int, column: str) -> Iterator[Any]:
    """Yield the bytes of each row of a row group, one at a time, as a scalar of Arrow that holds no copy."""
    for batch in table.iter_batches(batch_size=1, row_groups=[group], columns=[f"{column}.bytes"], use_threads=False):
        cell = batch.column(0)
        yield cell.field("bytes")[0] if cell.is_valid()[0].as_py() else None


def has_cell(file: BinaryIO, row: int, column: str) -> bool:
    """Return True if a table has this row and column. Raises: OSError - the file cannot be read."""
    import pyarrow as pa

    try:
        table = open_table(file)
    except (ValueError, pa.ArrowException):
        return False
    return row < table.metadata.num_rows and column in media_columns(table.schema_arrow)


def copy_cell(file: BinaryIO, row: int, column: str, target: io.BufferedIOBase) -> None:
    """Copy the bytes of a cell; of its row group only what lies before it is read.

    Raises: MediaRefusedError - CHANGED: it is not there any more; UNREADABLE: damaged, or it claims too much. OSError -
    of reading or writing.
    """
    import pyarrow as pa

    gone = MediaRefusedError(FileReason.CHANGED, "the table was written anew: the cell is not there any more")
    try:
        table = open_table(file)
        if row >= table.metadata.num_rows or column not in media_columns(table.schema_arrow):
            raise gone
        check_media_sizes(table, f"{column}.bytes", file.seek(0, io.SEEK_END))
        group = 0
        while row >= (rows := table.metadata.row_group(group).num_rows):
            row, group = row - rows, group + 1
        data = next(islice(_cells(table, group, column), row, None))
    except (ValueError, pa.ArrowException) as error:
        raise MediaRefusedError(FileReason.UNREADABLE, " ".join(str(error).split())) from error
    if data is None or not data.is_valid:
        raise gone
    target.write(data.as_buffer())
