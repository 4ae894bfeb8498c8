"""Reading of the tables' Parquet files, with errors in the user's terms when one is gone or damaged."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from schemas.errors import NotFoundError, WorkspaceError
from schemas.tables import TABLES

from .delta import DataFile
from .workspace import Workspace


def read_files(
    ws: Workspace,
    table: str,
    files: Sequence[DataFile],
    columns: list[str] | None,
    filter: pc.Expression | None,
) -> pa.Table:
    """Read rows of some files into memory.

    Raises: NotFoundError - a file was erased. WorkspaceError - one is damaged.
    """
    schema = TABLES[table]
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    if not files:
        return wanted.empty_table()
    paths = [ws.path(table, file.name) for file in files]
    try:
        source = ds.dataset(paths, schema=schema, format="parquet", filesystem=ws.arrow_filesystem())
        return source.to_table(columns=wanted.names, filter=filter).cast(wanted)
    except FileNotFoundError as error:
        raise _erased(ws, table, error) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise WorkspaceError(f"table {table} of {ws.root} cannot be read: {error}") from error


def stream_file(ws: Workspace, table: str, file: DataFile, columns: list[str] | None) -> Iterator[pa.Table]:
    """Yield rows of one file, one row group after the other, cast to the table's schema.

    Raises: NotFoundError - the file was erased. WorkspaceError - it is damaged.
    """
    schema = TABLES[table]
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        opened = open_file(ws, table, file.name)
    except FileNotFoundError as error:
        raise _erased(ws, table, error) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise _damaged(ws, table, file, error) from error
    with opened:
        for number in range(opened.num_row_groups):
            try:
                rows = opened.read_row_group(number, columns=wanted.names, use_threads=False)
                rows = rows.select(wanted.names).cast(wanted)
            except (OSError, KeyError, pa.ArrowInvalid) as error:
                raise _damaged(ws, table, file, error) from error
            yield rows


def _damaged(ws: Workspace, table: str, file: DataFile, error: Exception) -> WorkspaceError:
    return WorkspaceError(f"{ws.path(table, file.name)} cannot be read, so its clips must be made anew: {error}")


def _erased(ws: Workspace, table: str, error: FileNotFoundError) -> NotFoundError:
    return NotFoundError(f"files of this version of {table} in {ws.root} are gone; a takedown erases them: {error}")


def names_in_folder(ws: Workspace, table: str) -> set[str]:
    """List the data files in the table's folder, whether a version names them or not."""
    files = ws.filesystem()
    entries = files.ls(ws.path(table), detail=False) if files.exists(ws.path(table)) else []
    return {str(entry).rsplit("/", 1)[-1] for entry in entries if str(entry).endswith(".parquet")}


def open_file(ws: Workspace, table: str, name: str) -> pq.ParquetFile:
    """Open one data file for reading.

    Raises: FileNotFoundError - it is not there any more.
    """
    return pq.ParquetFile(ws.path(table, name), filesystem=ws.arrow_filesystem(), pre_buffer=False)
