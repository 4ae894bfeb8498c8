"""Vacuum of tables: files of the newest version, of named versions and young files stay."""

from pathlib import Path

import pytest

from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.stores import tables, vacuum
from heterodub.tasks.stores.delta import snapshot

from . import sample_rows as sample
from .sample_store import new_workspace, taken_out_before, written_before


@pytest.fixture
def ws(tmp_path):
    return new_workspace(tmp_path)


def _uris(ws, version=None):
    return sorted(tables.read(ws, "catalog", ["uri"], version)["uri"].to_pylist())


def _parquet(ws):
    return {path.name for path in Path(ws.path("catalog")).glob("*.parquet")}


def test_vacuum_deletes_files_and_keeps_named_versions(ws):
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(2), sample.catalog_row(3)))
    tables.delete_rows(ws, "catalog", "uri", ["/footage/2.mp4"])
    (gone,) = vacuum.erase(ws, "catalog", keep=[file.name for file in snapshot(ws, "catalog", 1).files])
    assert not (ws.filesystem().exists(ws.path("catalog", gone)))
    assert _uris(ws, 1) == ["/footage/1.mp4"]
    assert _uris(ws) == ["/footage/1.mp4", "/footage/3.mp4"]
    with pytest.raises(NotFoundError, match="takedown"):
        _uris(ws, 2)


def test_vacuum_creates_no_version(ws):
    for number in range(3):
        tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(number)))
    before = tables.compact(ws, "catalog", above=1)
    assert len(vacuum.erase(ws, "catalog")) == 3
    assert vacuum.erase(ws, "catalog") == []
    assert (tables.version(ws, "catalog"), len(_uris(ws))) == (before, 3)


def test_recently_removed_files_are_retained(ws):
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    tables.delete_rows(ws, "catalog", "uri", ["/footage/1.mp4"])
    (name,) = _parquet(ws)
    written_before(ws, "catalog", days=9)
    assert vacuum.erase(ws, "catalog", older_than_days=7) == []  # old, but read until just now
    taken_out_before(ws, "catalog", days=9)
    assert vacuum.erase(ws, "catalog", older_than_days=10) == []
    assert vacuum.erase(ws, "catalog", older_than_days=7) == [name]


def test_rewritten_part_is_not_taken_for_the_old_one(ws):
    """By a worker, before the driver's transaction names it."""
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    tables.delete_rows(ws, "catalog", "uri", ["/footage/1.mp4"])
    taken_out_before(ws, "catalog", days=9)
    assert vacuum.erase(ws, "catalog", older_than_days=7) == []
    assert len(_parquet(ws)) == 1
