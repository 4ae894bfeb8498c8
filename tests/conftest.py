"""What all tests may use: the embedded sample, which takes most of a minute to make."""

import fcntl
from pathlib import Path

import pytest

from tasks.sample.make import make_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory, request) -> Path:
    """The whole sample, made once, also where several processes share the tests. Do not write into it."""
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent
    with (shared / "sample.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "whole-sample" / "whole").exists():
            make_sample(shared / "whole-sample" / "sample")
            (shared / "whole-sample" / "whole").touch()
    return shared / "whole-sample" / "sample"
