"""A backlog of files through the driver's own loop with a kernel that does nothing: `python -m tests.bench.backlog`.

A million entries are listed, planned against an empty catalog, sliced, and spread over a standing cluster (a scheduler
and workers in processes of their own). Prints the rate, processor time an entry, and what scheduler and driver hold:
resident memory as the work goes on, and the most calls that the scheduler ever knew. `--work-off` ends it earlier, for
on two cores a million take hours: what is listed is a million all the same.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil

from flows.environment import settle
from schemas.records import RawFile
from tasks.extract.driver import slices
from tasks.extract.fanout import Client, open_client, spread
from tasks.extract.ledger import Plan, plan_run
from tests.dask_processes import DaskProcesses
from tests.tasks.extract.fanout_work import calls, nothing

_REPORTS = 20


def main() -> None:
    """Run the backlog and print what it took."""
    settle()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work-off", type=int, help="entries that are worked off; else all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heterodub-bench-") as place:
        cluster = DaskProcesses(Path(place))
        try:
            for number in range(arguments.workers):
                cluster.worker(f"worker-{number}")
            count = arguments.work_off or arguments.entries
            _run(cluster, arguments.entries, count, arguments.workers, Path(place))
        finally:
            cluster.close()


def _run(cluster: DaskProcesses, entries: int, count: int, workers: int, scratch: Path) -> None:
    _await_workers(cluster.address, workers)
    driver = Watched(os.getpid())
    print(f"before: driver {driver.told()}; scheduler {Watched(cluster.scheduler.pid).told()}", flush=True)
    plan = plan_run(_listing(entries), {}, "bench", retry_quarantined=False)
    print(f"{len(plan.fresh):,} entries planned: driver {driver.told()}", flush=True)
    most = 0
    with open_client(cluster.address, 1, scratch, 3) as client:
        began, driver, scheduler = time.perf_counter(), Watched(os.getpid()), Watched(cluster.scheduler.pid)
        for done, _ in enumerate(islice(_worked_off(client, plan), count), 1):
            if done % 1000 == 0:
                most = max(most, client.run_on_scheduler(calls))
            if done % max(1, count // _REPORTS) == 0:
                rate = done / (time.perf_counter() - began)
                told = f"scheduler {scheduler.told(done)}; driver {driver.told(done)}"
                print(f"{done:>12,} done, {rate:.0f} a second: {told}", flush=True)
    print(f"most calls that the scheduler held at once: {most}")


def _worked_off(client: Client, plan: Plan) -> Iterator[object]:
    for piece in slices(plan.fresh, {}):
        yield from spread(client, nothing, piece, key=lambda raw: f"identify-{raw.uri}")


class Watched:
    """A process: what it holds, and the processor time that it has taken since this was made."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = self._taken_s()

    def told(self, entries: int | None = None) -> str:
        """Resident memory and processor time, in words; the time by entry, where their number is given."""
        seconds = self._taken_s() - self._before
        each = f"{seconds:.1f} s" if entries is None else f"{1000 * seconds / entries:.2f} ms each"
        return f"{self._process.memory_info().rss / 2**20:.0f} MiB, {each}"

    def _taken_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _listing(entries: int) -> Iterator[RawFile]:
    for number in range(entries):
        name = f"s3://footage/corpus/{number // 1000:05d}/speaker-{number % 977}/take-{number:08d}.mp4"
        yield RawFile(name, 1 + number % 50_000_000, f"{number}-etag", "corpus")


def _await_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address) as client:
        client.wait_for_workers(count, timeout=300)


if __name__ == "__main__":
    main()
