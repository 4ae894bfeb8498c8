"""What all tests may use: a place that the processes of a session share, and the sample, which takes long to make."""

from pathlib import Path

import pytest

from tasks.sample.make import make_sample
from tests.commons import Commons


@pytest.fixture(scope="session")
def commons(tmp_path_factory, request) -> Commons:
    """The folder that all processes of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return Commons(folder.parent if hasattr(request.config, "workerinput") else folder)


@pytest.fixture(scope="session")
def sample(commons) -> Path:
    """The whole sample. Do not write into it."""
    return commons.made_once("sample", make_sample)
