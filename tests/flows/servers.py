"""A Prefect server and a Dask cluster for tests of flows, each a process group of its own."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.commons import Started
from tests.tasks.tracking.served import free_port

CLUSTER = """
import signal, sys
from distributed import LocalCluster
shape = {"n_workers": 1, "threads_per_worker": 2, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
with LocalCluster(local_directory=sys.argv[1], **shape) as cluster:
    print(cluster.scheduler_address, flush=True)
    signal.pause()
"""


def start_prefect(folder: Path) -> Started:
    """A server with a database in `folder`. Without services: nothing here is scheduled, and they never rest.

    Raises: RuntimeError - it does not come up.
    """
    port, log = free_port(), folder / "server.log"
    words = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-services"]
    surroundings = os.environ | {"PREFECT_HOME": str(folder), "PREFECT_SERVER_UI_ENABLED": "false"}
    with log.open("ab") as result:
        process = subprocess.Popen(
            [sys.executable, *words], env=surroundings, stdout=result, stderr=result, start_new_session=True
        )
    api, end = f"http://127.0.0.1:{port}/api", time.monotonic() + 120
    while not answers(f"{api}/health"):
        if process.poll() is not None or time.monotonic() > end:
            os.killpg(process.pid, signal.SIGKILL)
            raise RuntimeError(log.read_text()[-2000:])
        time.sleep(0.2)
    return Started(api, process.pid)


def answers(address: str) -> bool:
    """Return True once a server answers its health check."""
    try:
        with urllib.request.urlopen(address, timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def start_cluster(folder: Path) -> Started:
    """A Dask cluster of one worker with two threads, as people start them."""
    # it waits most of the time, and looks at itself a hundred times a second meanwhile if nobody forbids it
    quiet = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false", "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms"}
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(folder)],
        env=os.environ | quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Started(process.stdout.readline().decode().strip(), process.pid)
