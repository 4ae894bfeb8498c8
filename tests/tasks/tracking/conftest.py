"""A database of each test's own, or an experiment of its own on the server that all share."""

import shutil
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import TrackingSettings
from heterodub.tasks.stores.workspace import TRACKING, Workspace


def with_tables(ws: Workspace, empty_database: Path) -> Workspace:
    """The workspace, with a tracking store that has its tables already."""
    (Path(ws.root) / TRACKING).mkdir()
    shutil.copy(empty_database, Path(ws.root) / TRACKING / "mlflow.db")
    return ws


@pytest.fixture
def ws(tmp_path, empty_database) -> Workspace:
    """A workspace whose tracking store has its tables already."""
    return with_tables(Workspace.open(str(tmp_path / "ws"), create=True), empty_database)


@pytest.fixture(params=["sqlite", "server"])
def tracking(request, ws):
    """An open store of each kind, with an experiment of its own."""
    from heterodub.tasks.tracking.store import open_tracking

    uri = request.getfixturevalue("server") if request.param == "server" else None
    return open_tracking(TrackingSettings(uri=uri, experiment=f"of {ws.root}"), ws)


@pytest.fixture
def local(ws):
    """An open store in the workspace."""
    from heterodub.tasks.tracking.store import open_tracking

    return open_tracking(TrackingSettings(), ws)
