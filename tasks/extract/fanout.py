"""Spreads work on files over Dask workers. The only module that knows Dask.

At most a few items per thread are in flight, so a million files flood neither the scheduler nor memory. A worker that
dies is replaced, and what it held is tried again; an item that loses its worker every time is reported as such.
"""

import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Final, TypeVar

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed
from distributed.comm.addressing import parse_address, parse_host_port
from distributed.comm.registry import get_backend

from schemas.errors import ClusterError, MediaRefusedError
from schemas.reasons import FileReason

__all__ = ["Client", "open_client", "spread"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_IN_FLIGHT_PER_THREAD: Final = 4
"""Enough that a worker never waits for the driver, which answers within milliseconds."""

_LOG = logging.getLogger(__name__)


@contextmanager
def open_client(dask_address: str | None, workers: int, scratch: Path, attempts: int) -> Iterator[Client]:
    """A Dask client: of the running scheduler at `dask_address`, else of a local cluster that ends with the block.

    Local workers are processes with one thread each. `attempts`: times an item may lose its worker.

    Raises: ClusterError - the scheduler cannot be reached, or runs other versions.
    """
    settings = {
        "distributed.scheduler.allowed-failures": attempts - 1,
        "distributed.worker.daemon": False,
        # a nanny restarts its worker; on a busy machine that takes longer than the 15 s after which the cluster
        # would give the nanny up, and a run without workers waits for ever
        "distributed.deploy.lost-worker-timeout": "1 day",
        "distributed.admin.large-graph-warning-threshold": "1GB",
        "logging.distributed": "error",
        "distributed.comm.timeouts.connect": "10s",
        # looks at every thread a hundred times a second: time in every process; how much of a busy one was not measured
        "distributed.worker.profile.enabled": False,
    }
    with dask.config.set(settings):
        if dask_address is None:
            with _local_cluster(workers, scratch) as cluster, Client(cluster) as client:
                yield client
        else:
            with _connect(dask_address) as client:
                yield client


def _local_cluster(workers: int, scratch: Path) -> LocalCluster:
    # a terminal's Ctrl-C reaches every process of the run; workers would each print a traceback. The cluster's own
    # threads start here and keep the mask, and so do the processes they start, the later replacements too
    resource_tracker.ensure_running()  # which the first such process starts otherwise, and takes the mask off
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # None means port 8787 on every address
            memory_limit=0,  # the process that decodes has a limit of its own, see isolation.py
            local_directory=str(scratch),
            silence_logs=logging.CRITICAL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _connect(address: str) -> Client:
    try:
        scheme, location = parse_address(address)
        get_backend(scheme)  # first: a client that could not be built keeps the process from ending for 20 s
        parse_host_port(location)
        client = Client(address, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address}: {error}") from error
    try:
        client.get_versions(check=True)
    except ValueError as error:
        client.close()
        raise ClusterError(f"the Dask cluster at {address} runs other versions: {error}") from error
    if not client.scheduler_info(n_workers=-1)["workers"]:
        client.close()
        raise ClusterError(f"the Dask cluster at {address} has no workers; start some with `dask worker {address}`")
    return client


def spread(
    client: Client, work: Callable[[Item], Result], items: Iterable[Item], key: Callable[[Item], str]
) -> Iterator[tuple[Item, Result | MediaRefusedError]]:
    """Call work(item) for each item somewhere on the cluster; yields (item, result) as they finish.

    A worker lost each time it held an item gives a MediaRefusedError in place of that item's result. `key` names an
    item uniquely, so that Dask does not take two calls for one.

    Raises: whatever `work` raises - that ends the run.
    """
    waiting = iter(items)
    threads = max(1, sum(client.nthreads().values()))
    running: dict[Any, Item] = {}
    finished = as_completed()

    def submit(count: int) -> None:
        for item in islice(waiting, count):
            future = client.submit(work, item, key=f"heterodub-{key(item)}", pure=False)
            running[future.key] = item
            finished.add(future)

    submit(_IN_FLIGHT_PER_THREAD * threads)
    for future in finished:
        item = running.pop(future.key)
        yield item, _result(future)
        future.release()
        submit(1)


def _result(future: Any) -> Any:
    try:
        return future.result()
    except KilledWorker as lost:
        _LOG.warning("a worker was lost each time it held %s", lost.task)
        return MediaRefusedError(FileReason.WORKER_LOST, str(lost.last_worker))
