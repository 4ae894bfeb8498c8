"""The recipe for batch systems (docs/clusters.md), on dask-jobqueue's cluster of local jobs."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from dask_jobqueue.local import LocalCluster

from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.dask_executor import spread

from . import executor_work as work

pytestmark = pytest.mark.long  # starts a scheduler and two jobs, each a Python of its own

SETTINGS = {"queue": None, "cores": 1, "processes": 1, "memory": "4 GiB"}


def recipe() -> list[str]:
    """Words of the recipe's `worker_extra_args`."""
    page = (Path(__file__).parents[3] / "docs" / "clusters.md").read_text()
    line = next(line for line in page.splitlines() if "worker_extra_args" in line)
    return list(json.loads(line.partition("=")[2].strip().rstrip(",")))


def test_jobs_of_a_batch_system_take_files(tmp_path):
    """Jobs with the recipe's words are workers tagged for files, one at a time."""
    with LocalCluster(
        **SETTINGS, python=sys.executable, worker_extra_args=recipe(), scheduler_options={"dashboard_address": ":0"}
    ) as cluster:
        cluster.scale(jobs=2)
        cluster.wait_for_workers(2, timeout=240)
        with open_client(cluster.scheduler_address, 1, tmp_path, 3) as client:
            declared = [worker["resources"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
            assert declared == [{"decode": 1}, {"decode": 1}]
            results = spread(client, work.double, iter(range(40)), key=lambda item: f"batch-{item}")
            assert Counter(results) == Counter((number, 2 * number) for number in range(40))
