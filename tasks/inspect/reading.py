"""Reading of tables without creating any: queries must not write, and a workspace may be read-only."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tasks.stores import delta, tables
from tasks.stores.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TableFacts:
    """Size of a table by its log, and its newest version; None before the first row."""

    name: str
    rows: int
    files: int
    bytes: int
    version: int | None


def exists(ws: Workspace, table: str) -> bool:
    """Return True if the workspace has this table."""
    return delta.exists(ws, table)


def read(
    ws: Workspace,
    table: str,
    columns: list[str] | None = None,
    filter: pc.Expression | None = None,
    version: int | None = None,
) -> pa.Table:
    """Read rows of a table; none if there is no such table yet.

    Raises: NotFoundError - there is no such version, or its files were erased. WorkspaceError - it is unreadable.
    """
    if version is not None:
        return tables.read(ws, table, columns, version, filter)
    return tables.read_any(ws, table, columns, filter)


def facts(ws: Workspace, table: str) -> TableFacts:
    """Return size and version of a table, from its log alone.

    Raises: WorkspaceError - the log is unreadable.
    """
    if not exists(ws, table):
        return TableFacts(table, 0, 0, 0, None)
    size = tables.size(ws, table)
    return TableFacts(table, size.rows, size.files, size.bytes, tables.version(ws, table))
