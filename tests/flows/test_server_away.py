"""A Prefect server that goes away in the midst of a run costs none of its work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import Finished
from tests.flows.heads import contents
from tests.served import ServerProgram, free_port

pytestmark = pytest.mark.long

AWAY_S = 300


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[ServerProgram, str]]:
    """A standing server that can be stopped and started again, and its address."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    surroundings = os.environ | {"PREFECT_HOME": str(tmp_path / "home"), "PREFECT_SERVER_UI_ENABLED": "false"}
    words = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-services"]
    program = ServerProgram(tmp_path, "server", words, surroundings, f"{api}/health")
    program.start()
    yield program, api
    program.stop()


def test_ingest_outlives_its_server(
    server: tuple[ServerProgram, str], footage: Path, config: Path, finished: Finished, tmp_path: Path
):
    (program, api), log = server, tmp_path / "ingest.log"
    words = ["ingest", str(footage), "-w", str(tmp_path / "ws"), "--config", str(config)]
    with log.open("w") as output:
        command = [sys.executable, "-m", "heterodub", *words]
        run = subprocess.Popen(command, env=os.environ | {"PREFECT_API_URL": api}, stdout=output, stderr=output)
    while "analyse" not in log.read_text():
        assert run.poll() is None, log.read_text()
        time.sleep(0.1)
    program.stop(signal.SIGKILL)
    time.sleep(AWAY_S)
    program.start()
    assert run.wait(600) == 0, log.read_text()
    assert contents(tmp_path / "ws") == contents(finished.workspace)
