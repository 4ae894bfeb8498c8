"""Conditions and statistics leave exactly the rows that reading everything and filtering in Python leaves."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.tables import CATALOG
from heterodub.tasks.stores import delta, parquet, tables
from heterodub.tasks.stores.scan import first_rows, pieces, read_where, row_groups
from heterodub.tasks.stores.where import RowCondition, among, begins, equal, is_null, is_set
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace

COLUMNS = ("uri", "media_id", "reason", "clips")
NAMES = ("100%", "100_", "100", "10", "Zoë", "Zoe\u0301", "ž\U0001f600", "", "a'b", "\u2028")


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Files of several row groups: compacted and not, with nulls, and rows that took the place of others."""
    ws = new_workspace(tmp_path_factory.mktemp("scan"))
    chance = random.Random(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_ROWS_PER_ROW_GROUP", 4)
        for start in range(0, 60, 10):
            tables.append_rows(ws, "catalog", sample.catalog(*(_row(chance, n) for n in range(start, start + 10))))
        tables.compact(ws, "catalog", 3)
        for start in range(60, 90, 10):
            tables.append_rows(ws, "catalog", sample.catalog(*(_row(chance, n) for n in range(start, start + 10))))
        tables.replace_rows(ws, "catalog", sample.catalog(*(_row(chance, n) for n in range(0, 90, 7))), "uri")
        tables.delete_rows(ws, "catalog", "uri", [_uri(5), _uri(65)])
    return ws


def _uri(number: int) -> str:
    return f"/{NAMES[number % len(NAMES)]}/{number}.mp4"


def _row(chance: random.Random, number: int) -> dict:
    media = None if chance.random() < 0.3 else sample.media_id(chance.randrange(40))
    return sample.catalog_row(
        number,
        uri=_uri(number),
        media_id=media,
        reason=chance.choice([None, "no_face", "too_short"]),
        clips=chance.randrange(5),
    )


def _condition(chance: random.Random, rows: list[dict], depth: int = 2):
    """A random condition, and the same in Python."""
    kind = chance.choice(["equal", "among", "begins", "null", "and", "or", "not"][: 7 if depth else 4])
    column = chance.choice(["uri", "media_id", "reason"])
    known = [row[column] for row in rows if row[column] is not None]
    if kind == "equal":
        value = chance.choice([*known, "nothing", "caf\udce9"])
        return equal(column, value), lambda row: row[column] == value
    if kind == "among":
        values = {*chance.sample(known, 3), "nothing"}
        return among(column, values), lambda row: row[column] in values
    if kind == "begins":
        start = chance.choice(known)[: chance.randrange(8)]
        return begins(column, start), lambda row: row[column] is not None and row[column].startswith(start)
    if kind == "null":
        return is_null(column), lambda row: row[column] is None
    first, is_first = _condition(chance, rows, depth - 1)
    if kind == "not":
        return ~first, lambda row: not is_first(row)
    second, is_second = _condition(chance, rows, depth - 1)
    if kind == "and":
        return first & second, lambda row: is_first(row) and is_second(row)
    return first | second, lambda row: is_first(row) or is_second(row)


def test_any_condition_gives_the_rows_of_a_whole_scan(ws: Workspace):
    every = tables.read(ws, "catalog", list(COLUMNS)).to_pylist()
    assert len(every) == 88
    chance, some = random.Random(1), 0
    for _ in range(60):
        where, is_meant = _condition(chance, every)
        expected = [row for row in every if is_meant(row)]
        assert read_where(ws, "catalog", COLUMNS, where).to_pylist() == expected
        assert [row for piece in pieces(ws, "catalog", COLUMNS, where) for row in piece.to_pylist()] == expected
        count = chance.choice([1, 3, 20, 200, None])
        first = first_rows(ws, "catalog", COLUMNS, ["uri"], count, where)
        assert first.rows.to_pylist() == sorted(expected, key=lambda row: row["uri"])[:count]
        assert first.total == len(expected)
        some += 0 < len(expected) < len(every)
    assert some > 20


@pytest.mark.parametrize("count", [1, 7, 88, None])
def test_first_rows_are_ordered_by_every_column(ws: Workspace, count: int | None):
    every = tables.read(ws, "catalog", list(COLUMNS)).to_pylist()
    where = ~is_null("reason")
    expected = sorted(
        (row for row in every if row["reason"]), key=lambda row: (row["reason"], row["clips"], row["uri"])
    )
    first = first_rows(ws, "catalog", ["uri", "media_id"], ["reason", "clips", "uri"], count, where)
    assert first.rows.to_pylist() == [{name: row[name] for name in ("uri", "media_id")} for row in expected[:count]]


def test_more_values_than_pyarrow_takes_at_once_are_the_same(ws: Workspace):
    values = {_uri(number) for number in range(0, 90, 2)}
    many = values | {f"nothing {number}" for number in range(5_000)}
    assert read_where(ws, "catalog", COLUMNS, among("uri", many)).equals(
        read_where(ws, "catalog", COLUMNS, among("uri", values))
    )


def test_row_groups_without_the_address_are_left_out(ws: Workspace):
    every = sum(1 for _ in row_groups(ws, "catalog"))
    assert sum(1 for _ in row_groups(ws, "catalog", equal("uri", _uri(13)))) < every / 2
    assert not list(row_groups(ws, "catalog", equal("uri", "~")))


def test_log_knows_the_ends_of_addresses_and_corpora(ws: Workspace):
    for file in delta.snapshot(ws, "catalog").files:
        rows = tables.read(ws, "catalog", ["uri", "corpus"], (file,))
        assert file.bounds["uri"] == (min(rows["uri"].to_pylist()), max(rows["uri"].to_pylist()))
        assert file.bounds["corpus"] == ("default", "default")


def test_compacted_rows_are_in_the_order_of_their_addresses(ws: Workspace):
    largest = max(delta.snapshot(ws, "catalog").files, key=lambda file: file.rows)
    uris = tables.read(ws, "catalog", ["uri"], (largest,))["uri"].to_pylist()
    assert len(uris) > 40 and uris == sorted(uris)


def test_flags_are_a_condition(tmp_path: Path):
    ws = new_workspace(tmp_path)
    tables.append_rows(ws, "clips", sample.clips(*(sample.clip_row(n, stage1=n % 2 == 0) for n in range(5))))
    for value in (True, False):
        found = read_where(ws, "clips", ["media_id"], is_set("stage1", value))["media_id"].to_pylist()
        assert found == [sample.media_id(number) for number in range(5) if (number % 2 == 0) is value]


def test_table_that_is_not_there_has_no_rows_and_is_not_made(tmp_path: Path):
    ws = new_workspace(tmp_path)
    assert read_where(ws, "clips", ["clip_id"], None).num_rows == 0
    assert first_rows(ws, "clips", ["clip_id"], ["uri"], 5).total == 0
    assert not delta.exists(ws, "clips")


def test_column_that_a_file_is_older_than_is_null(ws: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(parquet.TABLES, "catalog", CATALOG.append(pa.field("fresh", pa.string())))
    rows = read_where(ws, "catalog", ["fresh", "uri"], is_null("fresh") & equal("uri", _uri(13)))
    assert rows.to_pylist() == [{"fresh": None, "uri": _uri(13)}]


def test_erased_and_damaged_files_are_named_as_such(tmp_path: Path):
    ws = new_workspace(tmp_path)
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(0)))
    (file,) = delta.snapshot(ws, "catalog").files
    path, everything = (
        Path(ws.path("catalog", file.name)),
        RowCondition(frozenset({"uri"}), lambda rows: rows["uri"].is_valid()),
    )
    path.write_bytes(bytes(file.size_bytes))
    with pytest.raises(WorkspaceError, match="cannot be read"):
        read_where(ws, "catalog", ["uri"], everything)
    path.unlink()
    with pytest.raises(NotFoundError, match="gone"):
        first_rows(ws, "catalog", ["uri"], ["uri"], 1)
