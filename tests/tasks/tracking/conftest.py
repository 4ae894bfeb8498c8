"""A database of each test's own, and one real MLflow server on loopback for all of them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.settings import TrackingSettings
from tasks.stores.workspace import TRACKING, Workspace
from tests.tasks.tracking.served import Server

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """MLflow's tables without rows; making them takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("tables") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def ws(tmp_path, empty_database) -> Workspace:
    """A workspace whose tracking store has its tables already."""
    made = Workspace.open(str(tmp_path / "ws"), create=True)
    (Path(made.root) / TRACKING).mkdir()
    shutil.copy(empty_database, Path(made.root) / TRACKING / "mlflow.db")
    return made


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    started.start()
    yield started
    started.stop()


@pytest.fixture(params=["sqlite", "server"])
def tracking(request, ws):
    """An open store of each kind, with an experiment of its own."""
    from tasks.tracking.store import open_tracking

    uri = request.getfixturevalue("server").uri if request.param == "server" else None
    return open_tracking(TrackingSettings(uri=uri, experiment=f"of {ws.root}"), ws)


@pytest.fixture
def local(ws):
    """An open store in the workspace."""
    from tasks.tracking.store import open_tracking

    return open_tracking(TrackingSettings(), ws)
