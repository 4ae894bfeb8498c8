"""Reading of large tables a row group at a time: what statistics exclude is not opened, columns that were not asked for
are not read, and whole rows only of row groups that hold one that is meant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from heterodub.schemas.tables import TABLES

from . import delta
from .arrays import integers, texts
from .delta import DataFile
from .parquet import open_file, reading_errors
from .tables import TableVersion, files_now, files_of, in_order
from .where import RowCondition
from .workspace import Workspace

_PLACE: Final = ("file", "group", "row")
"""Columns of a place: name of a file, number of a row group in it, number of a row in that."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a file that is open. number: its place there. leaves: place of each column in the file."""

    ws: Workspace
    table: str
    file: DataFile
    number: int
    opened: pq.ParquetFile
    leaves: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Number of its rows."""
        return int(self.opened.metadata.row_group(self.number).num_rows)

    def bounds(self, column: str) -> tuple[str, str] | None:
        """Return the smallest and largest text of a column; None where they are not known, or it is null throughout."""
        if column not in self.leaves:
            return None
        statistics = self.opened.metadata.row_group(self.number).column(self.leaves[column]).statistics
        return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else None

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns of all rows; one that the file is older than is null.

        Raises: NotFoundError - the file was erased. WorkspaceError - it is damaged.
        """
        schema = _selection(self.table, columns)
        held = [name for name in columns if name in self.opened.schema_arrow.names]
        with reading_errors(self.ws, self.table):
            rows = self.opened.read_row_group(self.number, columns=held, use_threads=False)
            arrays = [
                rows[field.name].cast(field.type) if field.name in held else pa.nulls(self.rows, field.type)
                for field in schema
            ]
        return pa.Table.from_arrays(arrays, schema=schema)


def row_groups(
    ws: Workspace, table: str, where: RowCondition | None = None, version: TableVersion | None = None
) -> Iterator[RowGroup]:
    """Yield the row groups that may hold a row that is meant, in the order of file names; none of a table that is not
    there yet.

    Raises: NotFoundError - there is no such version, or its files were erased. WorkspaceError - a file is damaged.
    """
    if version is None and not delta.exists(ws, table):
        return
    may_hold = where.may_hold if where else {}
    for file in files_of(ws, table, version):
        if not all(test(*file.bounds[name]) for name, test in may_hold.items() if name in file.bounds):
            continue
        with reading_errors(ws, table):
            opened = open_file(ws, table, file.name, pre_buffer=not ws.is_local)
        with opened:
            leaves = _leaves(opened)
            for number in range(opened.num_row_groups):
                group = RowGroup(ws, table, file, number, opened, leaves)
                bounds = ((test, group.bounds(name)) for name, test in may_hold.items())
                if all(test(*pair) for test, pair in bounds if pair):
                    yield group


def _leaves(opened: pq.ParquetFile) -> dict[str, int]:
    return {opened.schema.column(number).path: number for number in range(len(opened.schema))}


def pieces(
    ws: Workspace,
    table: str,
    columns: Sequence[str],
    where: RowCondition | None = None,
    version: TableVersion | None = None,
) -> Iterator[pa.Table]:
    """Yield columns of the rows that are meant, those of a row group at a time.

    Raises: as row_groups.
    """
    for group in row_groups(ws, table, where, version):
        if (rows := _meant(group, columns, where)) is not None:
            yield rows


def read_where(
    ws: Workspace, table: str, columns: Sequence[str], where: RowCondition | None, version: TableVersion | None = None
) -> pa.Table:
    """Read columns of the rows that are meant into memory; without a condition, of all.

    Raises: as row_groups.
    """
    return pa.concat_tables([_nothing(table, columns), *pieces(ws, table, columns, where, version)])


def _meant(group: RowGroup, columns: Sequence[str], where: RowCondition | None) -> pa.Table | None:
    """Return the rows of a group that are meant; None if there are none."""
    if where is None:
        return group.read(columns)
    keys = group.read(sorted(where.columns))
    mask = where.mask(keys)
    if not pc.any(mask).as_py():
        return None
    others = group.read([name for name in columns if name not in where.columns])
    arrays = [(keys if name in where.columns else others)[name] for name in columns]
    return pa.Table.from_arrays(arrays, schema=_selection(group.table, columns)).filter(mask)


def _nothing(table: str, columns: Sequence[str]) -> pa.Table:
    return pa.Table.from_batches([], _selection(table, columns))


def _selection(table: str, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([TABLES[table].field(name) for name in columns])


@dataclass(frozen=True, slots=True)
class FirstRows:
    """The first rows of those that are meant, in order; total: the number of all that are meant."""

    rows: pa.Table
    total: int


def first_rows(
    ws: Workspace,
    table: str,
    columns: Sequence[str],
    order: Sequence[str],
    count: int | None,
    where: RowCondition | None = None,
) -> FirstRows:
    """Read the first rows in ascending order of some columns, of which the first is a text and never null; in memory is
    no more than twice so many and a row group. count: None for all rows.

    Raises: as row_groups.
    """
    if count is None:
        needed = [*columns, *(name for name in order if name not in columns)]
        every = [_nothing(table, needed), *pieces(ws, table, needed, where)]
        rows = in_order(pa.concat_tables(every), order)
        return FirstRows(rows.select(columns), rows.num_rows)
    files = files_now(ws, table)
    places, total = _first_places(ws, table, order, count, where, files)
    empty = _nothing(table, columns)
    return FirstRows(empty if places is None else _at(ws, table, columns, places, files), total)


def _first_places(
    ws: Workspace,
    table: str,
    order: Sequence[str],
    count: int,
    where: RowCondition | None,
    files: Sequence[DataFile],
) -> tuple[pa.Table | None, int]:
    """Return the places of the first rows, in order, None where there are none, and the number of all."""
    first: pa.Table | None = None
    total = 0
    for group in row_groups(ws, table, where, files):
        mask = where.mask(group.read(sorted(where.columns))) if where else None
        meant = group.rows if mask is None else int(pc.sum(mask).as_py() or 0)
        total += meant
        bounds = group.bounds(order[0])
        is_behind = first is not None and first.num_rows == count and bounds and bounds[0] > first[order[0]][-1].as_py()
        if not meant or is_behind:
            continue
        keys = _with_place(group, order)
        keys = keys if mask is None else keys.filter(mask)
        first = _first(keys if first is None else pa.concat_tables([first, keys]), order, count)
    return first, total


def _with_place(group: RowGroup, columns: Sequence[str]) -> pa.Table:
    rows = group.read(columns)
    many = rows.num_rows
    places = texts([group.file.name] * many), integers([group.number] * many), integers(range(many))
    for name, column in zip(_PLACE, places, strict=True):
        rows = rows.append_column(name, column)
    return rows


def _first(rows: pa.Table, order: Sequence[str], count: int) -> pa.Table:
    if count >= rows.num_rows:
        return in_order(rows, order)
    keys: list[tuple[str, Any]] = [(name, "ascending") for name in order]
    return rows.take(pc.select_k_unstable(rows, count, sort_keys=keys))


def _at(ws: Workspace, table: str, columns: Sequence[str], places: pa.Table, files: Sequence[DataFile]) -> pa.Table:
    """Read the rows at some places, in their order."""
    wanted: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for number, place in enumerate(places.select(_PLACE).to_pylist()):
        wanted.setdefault((place["file"], place["group"]), []).append((place["row"], number))
    named = {name for name, _ in wanted}
    found, numbers = [_nothing(table, columns)], []
    for group in row_groups(ws, table, None, [file for file in files if file.name in named]):
        if rows := wanted.get((group.file.name, group.number)):
            found.append(group.read(columns).take(integers(row for row, _ in rows)))
            numbers += [number for _, number in rows]
    return pa.concat_tables(found).take(pc.sort_indices(integers(numbers)))
