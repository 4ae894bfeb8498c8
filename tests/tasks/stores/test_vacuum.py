"""Vacuum of tables: files of the newest version, of named versions and young files stay."""

import os
import time
from pathlib import Path

import pytest

from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.stores import tables, vacuum
from heterodub.tasks.stores.delta import load, shorten_log, snapshot

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
    with pytest.raises(NotFoundError, match="are gone"):
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


def test_file_that_the_log_knows_no_more_is_deleted_once_it_is_old(ws):
    """Its removal aged out of the log, or a writer died before it was named; a young one may be named yet."""
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    for name in ("part-kept.parquet", "part-lost.parquet"):
        Path(ws.path("catalog", name)).touch()
    assert vacuum.erase(ws, "catalog", older_than_days=7) == []
    written_before(ws, "catalog", days=9)
    Path(ws.path("catalog", "part-young.parquet")).touch()
    assert vacuum.erase(ws, "catalog", ["part-kept.parquet"], older_than_days=7) == ["part-lost.parquet"]
    assert len(_parquet(ws)) == 3 and _uris(ws) == ["/footage/1.mp4"]


def test_shortened_log_reads_the_newest_version_and_recent_ones(ws):
    for number in range(103):
        tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(number)))
    log = Path(ws.path("catalog", "_delta_log"))
    before = sorted(path.name for path in log.glob("*.json"))
    shorten_log(ws, "catalog", days=7)
    assert sorted(path.name for path in log.glob("*.json")) == before  # all of today
    then = time.time() - 9 * 24 * 3600
    for path in log.glob("0*"):
        os.utime(path, (then, then))
    version = tables.version(ws, "catalog")
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(103)))
    shorten_log(ws, "catalog", days=7)
    assert len(list(log.glob("*.json"))) < 10
    assert (len(_uris(ws)), len(_uris(ws, version)), tables.version(ws, "catalog")) == (104, 103, version + 1)
    with pytest.raises(NotFoundError, match="no version 5"):
        _uris(ws, 5)


def test_other_retention_is_set_once(ws):
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    for _ in range(2):
        shorten_log(ws, "catalog", days=30)
    assert tables.version(ws, "catalog") == 2
    assert load(ws, "catalog").metadata().configuration["delta.logRetentionDuration"] == "interval 30 days"
