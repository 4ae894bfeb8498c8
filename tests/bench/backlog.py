"""A backlog of files through the driver's own loop with a kernel that does nothing: `python -m tests.bench.backlog`.

A million entries are listed, planned against an empty catalog, sliced, and spread over a standing cluster (a scheduler
and workers in processes of their own). Prints the rate, and what the scheduler and the driver hold: resident memory as
the work goes on, and the most calls that the scheduler ever knew. Those must not grow with the number of entries.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from flows.environment import settle
from schemas.records import RawFile
from tasks.extract.driver import slices
from tasks.extract.fanout import open_client, spread
from tasks.extract.ledger import plan_run
from tests.dask_processes import DaskProcesses
from tests.tasks.extract.fanout_work import calls, nothing

_REPORTS = 10


def main() -> None:
    """Run the backlog and print what it took."""
    settle()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heterodub-bench-") as place:
        cluster = DaskProcesses(Path(place))
        try:
            for number in range(arguments.workers):
                cluster.worker(f"worker-{number}")
            _run(cluster, arguments.entries, arguments.workers, Path(place))
        finally:
            cluster.close()


def _run(cluster: DaskProcesses, entries: int, workers: int, scratch: Path) -> None:
    scheduler, driver = psutil.Process(cluster.scheduler.pid), psutil.Process()
    _await_workers(cluster.address, workers)
    print(f"before: scheduler {_mib(scheduler)}, driver {_mib(driver)}")
    began = time.perf_counter()
    plan = plan_run(_listing(entries), {}, "bench", retry_quarantined=False)
    print(f"{len(plan.fresh):,} entries planned in {time.perf_counter() - began:.1f} s: driver {_mib(driver)}")
    began, done, most = time.perf_counter(), 0, 0
    with open_client(cluster.address, 1, scratch, 3) as client:
        for piece in slices(plan.fresh, {}):
            for _ in spread(client, nothing, piece, key=lambda raw: f"identify-{raw.uri}"):
                done += 1
                if done % 1000 == 0:
                    most = max(most, client.run_on_scheduler(calls))
                if done % max(1, entries // _REPORTS) == 0:
                    rate = done / (time.perf_counter() - began)
                    print(f"{done:>12,} done, {rate:.0f} a second: scheduler {_mib(scheduler)}, driver {_mib(driver)}")
    print(f"most calls that the scheduler held at once: {most}")


def _listing(entries: int) -> Iterator[RawFile]:
    for number in range(entries):
        name = f"s3://footage/corpus/{number // 1000:05d}/speaker-{number % 977}/take-{number:08d}.mp4"
        yield RawFile(name, 1 + number % 50_000_000, f"{number}-etag", "corpus")


def _await_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address) as client:
        client.wait_for_workers(count, timeout=300)


def _mib(process: psutil.Process) -> str:
    return f"{process.memory_info().rss / 2**20:.0f} MiB"


if __name__ == "__main__":
    main()
