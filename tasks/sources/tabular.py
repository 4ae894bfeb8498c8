"""Rows of a table that people wrote, as text: CSV by any program, JSON lines, Parquet. The manifest interprets them."""

import csv
import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from heterodub.tasks.media.parquet_rows import read_rows, scalar_columns
from heterodub.tasks.sources.columns import plain

TEXT_SUFFIXES: Final = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
JSON_SUFFIXES: Final = (".jsonl", ".jsonl.gz")
SUFFIXES: Final = (*TEXT_SUFFIXES, *JSON_SUFFIXES, ".parquet")
"""Suffixes of tables, in small letters; any case is accepted."""

LONGEST_TEXT: Final = 8192
"""Letters of a cell. Twice the longest path; more would be kept for each row of a table that holds them once."""

_DELIMITERS: Final = (",", ";", "\t", "|")
_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row, numbered from 1: the text of each cell that is not empty, by column, without spaces around it.

    `spaced`: the text of those that have spaces around it, as it is; `odd`: the error of those that hold no text.
    """

    number: int
    cells: dict[str, str]
    spaced: dict[str, str]
    odd: dict[str, str]


def suffix_of(name: str) -> str | None:
    """Return the one of SUFFIXES that a name ends with, in any case; None for other names."""
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)


def read_table(path: Path, *keys: str) -> tuple[list[str], Iterator[SheetRow]]:
    """Read columns, in small letters and without spaces around them, and rows. Empty cells and NaN are left out.

    keys: columns of which one must be there; by it the separator of a CSV is found.

    Raises: OSError, ValueError, csv.Error, pyarrow.ArrowException - it cannot be read; the rows raise these, too.
    """
    if suffix_of(path.name) == ".parquet":
        return _parquet(path)
    if suffix_of(path.name) in JSON_SUFFIXES:
        return _json_lines(path)
    return _csv(path, keys)


def _parquet(path: Path) -> tuple[list[str], Iterator[SheetRow]]:
    file = pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)  # else Arrow reads whole columns at once
    schema = file.schema_arrow
    indices = {str(name) for name in (schema.pandas_metadata or {}).get("index_columns", [])}
    data_columns = [name for name in schema.names if name not in indices]
    columns = _named(data_columns)

    scalars = scalar_columns(schema, data_columns)
    unread: dict[str, Any] = {name: [] for name in data_columns if name not in scalars}  # lists are no text anyway

    def rows() -> Iterator[SheetRow]:
        for number, values in enumerate(read_rows(file, scalars), start=1):
            row = values | unread
            yield _row(number, columns, [row[name] for name in data_columns])

    return columns, rows()


def _csv(path: Path, keys: Sequence[str]) -> tuple[list[str], Iterator[SheetRow]]:
    text = _text(path)
    if text[:4].lower() == "sep=":  # Excel's way to state another separator
        text = text.partition("\n")[2]
    delimiter = _delimiter(text, keys, "\t" if ".tsv" in path.name.lower() else ",")
    # not pandas' reader: it takes values beyond the last column for a reason to move all of them, or drops them
    rows_of = partial(_text_rows, text, delimiter)
    header = next(rows_of(), [])
    is_numbered = _is_numbered(header, islice(rows_of(), 1, None))
    columns = _named(header[1:] if is_numbered else _without_empty_ends(header))

    def read_rows() -> Iterator[SheetRow]:
        for number, row in enumerate(islice(rows_of(), 1, None), start=1):
            values = row[1:] if is_numbered else row
            if any(values[len(columns) :]):
                raise ValueError(f"row {number} has more values than there are columns; quote names that hold a comma")
            yield _row(number, columns, values)

    return columns, read_rows()


def _text_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the rows that are not empty, each anew: no more than the text itself is kept."""
    lines = (match[0] for match in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text))
    return (row for row in csv.reader(lines, delimiter=delimiter, strict=True) if any(cell.strip() for cell in row))


def _json_lines(path: Path) -> tuple[list[str], Iterator[SheetRow]]:
    """Read an object a line; their keys, in the order in which they come, are the columns."""
    objects_of = partial(_json_objects, _text(path))
    names = list(dict.fromkeys(name for row in objects_of() for name in row))
    columns = _named(names)
    return columns, (
        _row(number, columns, [row.get(name) for name in names]) for number, row in enumerate(objects_of(), 1)
    )


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    # not splitlines(), which also ends a line inside of a text that holds U+2028, a form feed or the like
    lines = (match[0] for match in re.finditer(r"[^\n]*\n|[^\n]+\Z", text))
    return (_json_object(number, line) for number, line in enumerate(lines, 1) if line.strip())


def _json_object(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except RecursionError:
        raise ValueError(f"line {number}: its values are nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} holds a {type(row).__name__}, not an object of columns and values")
    return row


def _text(path: Path) -> str:
    data = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
    encoding = _MARKS.get(data[:2], "utf-8-sig")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not {encoding.removesuffix('-sig')} at byte {error.start}; save it as UTF-8"
        ) from error


def _delimiter(text: str, keys: Sequence[str], usual: str) -> str:
    """Find the separator with which the header has one of the keys as a column of its own."""
    header = next((line for line in StringIO(text) if line.strip()), "")
    for delimiter in (usual, *_DELIMITERS):
        if any(not set(keys).isdisjoint(map(plain, row)) for row in csv.reader([header], delimiter=delimiter)):
            return delimiter
    return usual


def _is_numbered(header: list[str], rows: Iterator[list[str]]) -> bool:
    """Tell the unnamed column of numbers that pandas writes before the first."""
    if len(header) < 2 or header[0].strip():
        return False
    return all(row[0] == str(at) for at, row in enumerate(rows))


def _without_empty_ends(header: list[str]) -> list[str]:
    """Drop the commas at the ends of all lines."""
    while len(header) > 1 and not header[-1].strip():
        header = header[:-1]
    return header


def _named(header: Sequence[str]) -> list[str]:
    columns = [plain(name) for name in header]
    if twice := sorted(name for name, count in Counter(columns).items() if count > 1):
        raise ValueError(f"the column {twice[0]!r} stands twice")
    if "" in columns and len(columns) > 1:
        raise ValueError(f"column {columns.index('') + 1} has no name")
    return columns


def _row(number: int, columns: Sequence[str], values: Sequence[Any]) -> SheetRow:
    cells: dict[str, str] = {}
    spaced: dict[str, str] = {}
    odd: dict[str, str] = {}
    for name, value in zip(columns, values, strict=False):
        try:
            text = cell_text(value)
        except ValueError as error:
            odd[name] = str(error)
            continue
        if text is not None:
            cells[name] = text
            if isinstance(value, str) and value != text:
                spaced[name] = value
    return SheetRow(number, cells, spaced, odd)


def cell_text(value: Any) -> str | None:
    """Convert a cell to text; None where it is empty: null, NaN, nothing but spaces.

    A whole number is written without a point: pandas makes 7.0 of a 7 as soon as another row has none.

    Raises: ValueError - a list, a struct, bytes or surrogates that are no text, or a text of more than LONGEST_TEXT.
    """
    if isinstance(value, str | bytes) and len(value) > LONGEST_TEXT:
        raise ValueError(f"a text of {len(value)} letters; at most {LONGEST_TEXT} are read")
    match value:
        case None:
            return None
        case str():
            return value.encode("utf-8").decode("utf-8").strip() or None  # UnicodeError is a ValueError
        case bool():
            return str(value).lower()
        case int() | date() | datetime() | time():
            return str(value)
        case float() | Decimal():
            if math.isnan(value):
                return None
            return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
        case bytes():
            return value.decode("utf-8").strip() or None
    raise ValueError(f"a {type(value).__name__} is no text")


ERRORS: Final = (OSError, ValueError, csv.Error, EOFError, pa.ArrowException)
"""Errors of reading a table."""
