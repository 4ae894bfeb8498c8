"""A server on loopback with every deployment of prefect.yaml and a worker, as docs/operations.md starts them."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.served import ServerProgram, free_port

ROOT = Path(__file__).parents[2]
NAMES = {"ingest", "route", "takedown", "retrain", "train", "evaluate", "promote", "dub", "dub-video"}


class Served(NamedTuple):
    """A server to which everything in prefect.yaml was deployed, with a worker."""

    api: str
    worker: ServerProgram
    folder: Path
    prefect: Callable[..., str]


@contextmanager
def deployed(folder: Path) -> Iterator[Served]:
    """Start a server and a worker, and deploy everything in prefect.yaml; their files lie in the folder."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PYTHONPATH": str(ROOT),
        "DO_NOT_TRACK": "true",
        "OMP_NUM_THREADS": "1",
    }

    def prefect(*words: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    serve = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = ServerProgram(folder, "server", serve, surroundings, f"{api}/health")
    worker = ServerProgram(folder, "worker", ["prefect", "worker", "start", "--pool", "heterodub"], surroundings, None)
    server.start()
    try:
        prefect("work-pool", "create", "heterodub", "--type", "process")
        prefect("--no-prompt", "deploy", "--all")
        worker.start()
        yield Served(api, worker, folder, prefect)
    finally:
        worker.stop()
        server.stop()


def finished(client: SyncPrefectClient, run: FlowRun, log: Path) -> FlowRun:
    """The flow run once it has ended."""
    end = time.monotonic() + 300
    while not (run.state and run.state.is_final()):
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(1)
        run = client.read_flow_run(run.id)
    return run


def until(look: Callable[[], Any], holds: Callable[[Any], bool], patience_s: float = 180) -> Any:
    """Poll `look` until its result holds; servers do some things seconds later."""
    end = time.monotonic() + patience_s
    while not holds(result := look()):
        assert time.monotonic() < end, result
        time.sleep(0.5)
    return result


def asked_for(client: SyncPrefectClient, name: str, parameters: dict[str, Any], log: Path) -> FlowRun:
    """Start a run of a deployment; return it once it has ended."""
    deployment = client.read_deployment_by_name(name)
    return finished(client, client.create_flow_run_from_deployment(deployment.id, parameters=parameters), log)


def events(api: str, prefix: str) -> list[dict[str, Any]]:
    """The server's events whose names begin so, newest first, fifty at most."""
    asked = json.dumps({"filter": {"event": {"prefix": [prefix]}}}).encode()
    request = urllib.request.Request(f"{api}/events/filter", asked, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return list(json.load(answer)["events"])


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with deployed(tmp_path_factory.mktemp("served")) as result:
        yield result


@pytest.fixture(scope="module")
def client(served) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: served.api}), get_client(sync_client=True) as asked:
        yield asked
