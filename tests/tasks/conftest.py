"""MLflow for all tests of tasks: its empty tables, and one real server on loopback."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commons import Started
from tests.tasks.tracking.served import Server

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")


@pytest.fixture(scope="session")
def empty_database(commons) -> Path:
    """MLflow's tables without rows; making them takes seconds. Copy it."""

    def make(folder: Path) -> None:
        from mlflow import MlflowClient

        folder.mkdir()
        MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments()

    return commons.made_once("tables", make) / "mlflow.db"


@pytest.fixture(scope="session")
def shared_server(commons, empty_database) -> Iterator[str]:
    """The address of a server that all processes of the session use."""

    def start(folder: Path) -> Started:
        server = Server(folder)
        shutil.copy(empty_database, server.database)
        server.start()
        return Started(server.uri, server.group)

    with commons.served("mlflow", start) as address:
        yield address


@pytest.fixture
def server(commons, shared_server) -> Iterator[str]:
    """The address of the server, for one test at a time: its registry has one of each name."""
    with commons.alone("mlflow-registry"):
        yield shared_server
