"""A backlog of files through the driver's own loop with a kernel that does nothing: `python -m tests.bench.backlog`.

A million entries are listed, planned against an empty catalog, and worked off on a standing cluster (scheduler and
workers in processes of their own) as an ingest does, in one stream: identified in bundles, and each handed out for its
analysis. Prints the rate, processor time an entry, and what scheduler and driver hold: resident memory over
time, and the most calls that the scheduler ever held. `--analyse` leaves the second step out after so many,
since on two cores it takes an hour and more; the whole million is listed and identified in any case.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from distributed import Client

from heterodub.flows.cli.environment import configure_environment
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.ingestion.driver import slices
from heterodub.tasks.ingestion.job import FileJob, Identification
from heterodub.tasks.ingestion.plan import plan_run
from heterodub.tasks.ingestion.schedule import CUT_ABOVE_BYTES, Schedule, name_of
from tests.dask_processes import DaskProcesses
from tests.tasks.ingestion.executor_work import calls, nothing

_REPORTS = 20


def main() -> None:
    """Run the backlog and print what it took."""
    configure_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--analyse", type=int, help="entries that are analysed; else all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heterodub-bench-") as place:
        cluster = DaskProcesses(Path(place))
        try:
            for number in range(arguments.workers):
                cluster.worker(f"worker-{number}")
            _await_workers(cluster.address, arguments.workers)
            most = arguments.entries if arguments.analyse is None else arguments.analyse
            _run(cluster, arguments.entries, most, Path(place))
        finally:
            cluster.close()


def _run(cluster: DaskProcesses, entries: int, analysed: int, scratch: Path) -> None:
    driver = Watched(os.getpid())
    print(f"before: driver {driver.usage()}; scheduler {Watched(cluster.scheduler.pid).usage()}", flush=True)
    plan = plan_run(_listing(entries), lambda columns: (), "bench", retry_quarantined=False)
    print(f"{len(plan.fresh):,} entries planned: driver {driver.usage()}", flush=True)
    with open_client(cluster.address, 1, scratch, 3) as client:
        schedule = Schedule(slices(plan.fresh, {}), sum(client.nthreads().values()))
        steps = {name: BacklogStep(client, cluster.scheduler.pid, name, entries) for name in ("identified", "analysed")}
        started = 0
        for task, result in spread(client, nothing, schedule, key=name_of):
            if not isinstance(task, Identification):
                steps["analysed"].advance()
                continue
            for _ in task.files:
                steps["identified"].advance()
            assert isinstance(result, list)
            finished = schedule.identified(task, result)
            for raw, answer in finished.answers[: analysed - started] if finished else ():
                size_bytes = min(raw.size_bytes, CUT_ABOVE_BYTES - 1)
                schedule.add(FileJob(raw.uri, str(answer), size_bytes, "corpus", "speaker"))
                started += 1
        most = max(step.most for step in steps.values())
    print(f"most calls that the scheduler held at once: {most}")


class BacklogStep:
    """One of the two steps: counts what is done, and prints from time to time what the run has taken so far."""

    def __init__(self, client: Client, scheduler: int, name: str, count: int) -> None:
        self._client, self._name, self._every = client, name, max(1, count // _REPORTS)
        self._driver, self._scheduler = Watched(os.getpid()), Watched(scheduler)
        self.done, self.most, self._began = 0, 0, time.perf_counter()

    def advance(self) -> None:
        """An entry is done."""
        self.done += 1
        if self.done % 1000 == 0:
            self.most = max(self.most, self._client.run_on_scheduler(calls))
        if self.done % self._every == 0:
            rate = self.done / (time.perf_counter() - self._began)
            result = f"scheduler {self._scheduler.usage(self.done)}; driver {self._driver.usage(self.done)}"
            print(f"{self.done:>12,} {self._name}, {rate:.0f} a second: {result}", flush=True)


class Watched:
    """A process: what it holds, and the processor time that it takes."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._since = self._clock_s()

    def usage(self, entries: int | None = None) -> str:
        """Resident memory and processor time, in words; the time by entry, where their number is given."""
        seconds = self._clock_s() - self._since
        each = f"{seconds:.1f} s" if entries is None else f"{1000 * seconds / entries:.2f} ms each"
        return f"{self._process.memory_info().rss / 2**20:.0f} MiB, {each}"

    def _clock_s(self) -> float:
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
