"""Health checks of the tracking store; checking creates nothing."""

import shutil
from pathlib import Path

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.inspect.doctor import check_tracking
from heterodub.tasks.inspect.findings import Finding, Health
from heterodub.tasks.stores.workspace import MARKER, TRACKING, Workspace
from tests.tasks.tracking.served import free_port


def only(root: str, uri: str | None = None) -> Finding:
    (finding,) = check_tracking(Settings(workspace=root, tracking={"uri": uri}))
    assert (finding.health is Health.OK) != bool(finding.remedy)
    return finding


def test_missing_store_before_training_is_healthy(tmp_path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    assert "not made yet" in only(ws.root).detail
    assert [path.name for path in Path(ws.root).iterdir()] == [MARKER]


def test_store_that_answers(ws, local, server):
    assert "1 experiment, " in only(ws.root).detail
    first, *_ = check_tracking(Settings(workspace=ws.root, tracking={"uri": server}))  # then models of other tests
    assert server in first.detail


def test_server_that_is_away(ws):
    finding = only(ws.root, f"http://127.0.0.1:{free_port()}")
    assert finding.health is Health.PROBLEM
    assert "no MLflow server answers" in finding.detail


def test_damaged_database(ws):
    (Path(ws.root) / TRACKING / "mlflow.db").write_bytes(b"no database" * 1000)
    assert only(ws.root).health is Health.PROBLEM


def test_copied_workspace(ws, local, tmp_path):
    copy = shutil.copytree(ws.root, tmp_path / "copy")
    assert "moved or copied" in only(str(copy)).detail


def test_missing_workspace_is_not_reported_by_tracking(tmp_path):
    assert check_tracking(Settings(workspace=str(tmp_path / "none"))) == []


def test_remote_workspace_without_a_server(tmp_path):
    Workspace.open("memory://remote-ws", create=True)
    assert "must name an MLflow server" in only("memory://remote-ws").detail
