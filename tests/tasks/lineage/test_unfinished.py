"""Unfinished files: those of killed runs go with a takedown, those of a run that lives do not."""

import os
import time
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.lineage.erase import _delete_pages, _delete_unfinished
from heterodub.tasks.monitoring.run_log import recording
from heterodub.tasks.stores.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    for name, age_s in (("part.parquet", 3600), ("old.parquet", 48 * 3600), ("commit.parquet", 0)):
        path = ws.scratch() / name
        path.write_bytes(b"half of a film")
        os.utime(path, (time.time() - age_s,) * 2)
    return ws


def left(ws: Workspace) -> set[str]:
    return {path.name for path in ws.scratch().iterdir()}


def test_live_run_keeps_its_unfinished_parts(ws: Workspace):
    with recording("ingest", Settings(workspace=ws.root)), recording("takedown", Settings(workspace=ws.root)):
        assert _delete_unfinished(ws) == 2
    assert left(ws) == {"part.parquet", "commit.parquet"}


def test_parts_of_dead_runs_are_deleted(ws: Workspace):
    with recording("takedown", Settings(workspace=ws.root)):
        assert _delete_unfinished(ws) == 1
    assert left(ws) == {"commit.parquet"}  # so young that our own run may be at it


def test_deleted_pages_are_listed(ws: Workspace):
    for name in ("audit/audit.html", "reports/report.html", "reports/reproduction/table1.md"):
        path = Path(ws.root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert _delete_pages(ws) == ["audit/audit.html", "reports/report.html", "reports/reproduction"]
    assert not Path(ws.root, "reports").exists()
    assert _delete_pages(ws) == []
