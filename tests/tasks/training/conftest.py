"""One workspace of made talkers for the tests that only read it."""

from pathlib import Path

import pytest
import torch

from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.training.talkers import talkers


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Workspace:
    return talkers(tmp_path_factory.mktemp("talkers") / "workspace")


@pytest.fixture
def own_workspace(tmp_path) -> Workspace:
    """One that a test may change."""
    return talkers(Path(tmp_path) / "workspace", speakers=4, clips=1, frames=40)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Sums in one order, so that equal means equal."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
