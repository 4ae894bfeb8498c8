"""A database of each test's own, or an experiment of its own on the server that all share."""

import shutil
from pathlib import Path

import pytest

from schemas.settings import TrackingSettings
from tasks.stores.workspace import TRACKING, Workspace


@pytest.fixture
def ws(tmp_path, empty_database) -> Workspace:
    """A workspace whose tracking store has its tables already."""
    made = Workspace.open(str(tmp_path / "ws"), create=True)
    (Path(made.root) / TRACKING).mkdir()
    shutil.copy(empty_database, Path(made.root) / TRACKING / "mlflow.db")
    return made


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
