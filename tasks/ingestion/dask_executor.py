"""Distribution of work on files over Dask workers. The only module that imports Dask, and only when there is work.

At most a few items per thread are in flight, so a million files flood neither the scheduler nor memory. A worker that
dies is replaced, and what it held is tried again; an item that loses its worker every time is reported as such. Workers
of a cluster may come and go meanwhile. One that runs other code than the driver is sent away before it is given work.
"""

import asyncio
import logging
import pickle
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import count, islice
from multiprocessing import resource_tracker
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from heterodub.schemas.errors import ClusterError, MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.code_versions import Misfit, unlike_words, versions_here

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

__all__ = ["Client", "open_client", "spread"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_IN_FLIGHT_PER_THREAD: Final = 4
"""Enough that a worker never waits for the driver, which answers within milliseconds."""

_LOOK_EVERY_S: Final = 5.0
"""Seconds between two counts of the workers: so long may a new one wait for its share."""

_CONNECT_S: Final = 10
_ANSWER_S: Final = 120
"""Seconds that a scheduler may take to greet, and to answer: a stopped one keeps its connections, and is silent."""

_GONE: Final = "the Dask {} went away; what is stored is stored, run it again"

_LOG = logging.getLogger(__name__)


@contextmanager
def open_client(dask_address: str | None, workers: int, scratch: Path, attempts: int) -> "Iterator[Client]":
    """A Dask client: of the running scheduler at `dask_address`, else of a local cluster that ends with the block.

    Local workers are processes with one thread each. `attempts`: times an item may lose its worker.

    Raises: ClusterError - the scheduler cannot be reached, has no workers, or one of them runs other versions.
    """
    import dask
    from distributed import Client

    settings = {
        "distributed.scheduler.allowed-failures": attempts - 1,
        # a worker holds what it works on and nothing else: what waits beside a file that kills would be blamed with it
        "distributed.scheduler.worker-saturation": 1.0,
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
                _require_same_code(client, dask_address)
                yield client


def _local_cluster(workers: int, scratch: Path) -> "LocalCluster":
    from distributed import LocalCluster
    from distributed.security import Security

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
            memory_limit=0,  # the process that decodes has a limit of its own, see child_process.py
            local_directory=str(scratch),
            silence_logs=logging.CRITICAL,
            # whoever reaches a scheduler runs code as its user, and every user of a machine reaches its ports
            security=Security.temporary(),
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _connect(address: str) -> "Client":
    from distributed import Client
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    try:
        scheme, location = parse_address(address)
        get_backend(scheme)  # first: a client that could not be built keeps the process from ending for 20 s
        parse_host_port(location)
        asyncio.run(_greet(address))
        return Client(address, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        silent = f"silent for {_CONNECT_S} s" if isinstance(error, TimeoutError) else error
        raise ClusterError(f"no Dask scheduler answers at {address}: {silent}") from error
    except TypeError as error:  # how Dask says that a tls:// address needs certificates
        raise ClusterError(
            f"no certificate for the Dask scheduler at {address}: see distributed.comm.tls in Dask's configuration"
        ) from error


async def _greet(address: str) -> None:
    """Connect once within the deadline: Dask's own client waits for ever for a greeting that does not come."""
    from distributed.comm.core import connect
    from distributed.security import Security

    security = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=_CONNECT_S, **security), _CONNECT_S)
    comm.abort()


def _require_same_code(client: "Client", address: str) -> None:
    """Compare scheduler and workers with this process. Dask's own check only warns, and knows none of our packages."""
    with _scheduler_there(address):
        by_name = {"the scheduler": _asked(lambda: client.run_on_scheduler(versions_here, callback_timeout=_ANSWER_S))}
        answers = client.run(versions_here, on_error="return", callback_timeout=_ANSWER_S)
        by_name |= {f"worker {name}": versions for name, versions in answers.items()}
    if len(by_name) == 1:
        raise ClusterError(f"the Dask cluster at {address} has no workers; start some with `dask worker {address}`")
    expected = versions_here().found
    if unlike := [words for name, versions in by_name.items() if (words := unlike_words(name, versions, expected))]:
        raise ClusterError(
            f"the Dask cluster at {address} runs other code than this process ({versions_here().place}): "
            f"{'; '.join(unlike)}. Install the same on every machine and start scheduler and workers anew"
        )


def _asked(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (ImportError, AttributeError) as error:
        return error


@contextmanager
def _scheduler_there(address: str) -> Iterator[None]:
    """Turn the ways in which Dask reports that its scheduler is gone into one error.

    Raises: ClusterError - in place of them; every other error as it is.
    """
    try:
        yield
    except (CancelledError, OSError, TimeoutError) as error:
        raise ClusterError(_GONE.format(f"scheduler at {address} ({error})")) from error


def _checked(expected: dict[str, str], work: bytes, item: bytes) -> Any:
    """Run on a worker. The work is unpacked after the versions are compared: records of another make might not fit."""
    from distributed import get_worker

    address = str(get_worker().address)
    if words := unlike_words(f"worker {address}", versions_here(), expected):
        return Misfit(address, words)
    return pickle.loads(work)(pickle.loads(item))


def spread(
    client: "Client", work: Callable[[Item], Result], items: Iterable[Item], key: Callable[[Item], str]
) -> Iterator[tuple[Item, Result | MediaRefusedError]]:
    """Call work(item) for each item somewhere on the cluster; yield (item, result) as they finish.

    A worker lost each time it held an item gives a MediaRefusedError in place of that item's result. `key` names an
    item uniquely, so that Dask does not take two calls for one.

    Raises: ClusterError - the scheduler is lost, or code changed meanwhile. Whatever `work` raises. Each ends the run.
    """
    waiting, crowd, outstanding = iter(items), _Crowd(client), _Outstanding(client, work, key)
    try:
        while True:
            for item in islice(waiting, max(0, _IN_FLIGHT_PER_THREAD * crowd.threads() - len(outstanding))):
                outstanding.submit(item)
            if not outstanding:
                return
            if (done := outstanding.next(_LOOK_EVERY_S)) is None:
                continue  # and look whether there is anybody
            item, result = done
            if isinstance(result, Misfit):
                crowd.send_away(result)
                outstanding.submit(item)
            else:
                yield item, result
    finally:
        outstanding.release()


class _Outstanding(Generic[Item]):
    """The calls that the cluster holds."""

    def __init__(self, client: "Client", work: Callable[[Item], Any], key: Callable[[Item], str]) -> None:
        self._client, self._work, self._key = client, pickle.dumps(work), key
        self._wanted = dict(versions_here().found)
        self._held: dict[str, tuple[Any, Item]] = {}
        self._finished: SimpleQueue[Any] = SimpleQueue()
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._held)

    def submit(self, item: Item) -> None:
        """Hand an item to the cluster."""
        # numbered, for an item that was sent away with its worker is handed in once more. No "-" behind the name of
        # ours: Dask keeps statistics for ever of every word that stands before one
        name = f"heterodub-{next(self._numbers)}:{self._key(item)}"
        future = self._client.submit(_checked, self._wanted, self._work, pickle.dumps(item), key=name, pure=False)
        self._held[name] = future, item
        future.add_done_callback(self._finished.put)

    def next(self, patience_s: float) -> tuple[Item, Any] | None:
        """Return the next item to finish and its result; None if none does within so many seconds."""
        try:
            future = self._finished.get(timeout=patience_s)
        except Empty:
            return None
        _, item = self._held.pop(future.key)
        result = _result(future)
        future.release()
        return item, result

    def release(self) -> None:
        """Forget them all."""
        for future, _ in self._held.values():
            future.release()


class _Crowd:
    """The workers of the cluster, listed again every few seconds: some may have joined, or all have left."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._address = str(getattr(client.scheduler, "address", ""))  # without asking it
        self._threads, self._alone, self._look_at = 0, False, 0.0
        self._sent_away: set[str] = set()

    def threads(self) -> int:
        """Threads of all workers, at least 1."""
        if time.monotonic() >= self._look_at:
            with _scheduler_there(self._address):
                self._threads = sum(self._client.nthreads(callback_timeout=_ANSWER_S).values())
            self._look_at = time.monotonic() + _LOOK_EVERY_S
            if (self._threads == 0) != self._alone:
                self._alone = not self._alone
                _LOG.warning("no Dask worker is left; waiting for one" if self._alone else "there are workers again")
        return max(1, self._threads)

    def send_away(self, misfit: Misfit) -> None:
        """Close a worker that runs other code, and log it.

        Raises: ClusterError - it is one of a local cluster, whose next ones would run that code, too.
        """
        if self._client.cluster is not None:
            raise ClusterError(f"heterodub was changed while it ran ({misfit.words}); run it again to go on")
        if misfit.address not in self._sent_away:
            self._sent_away.add(misfit.address)
            _LOG.warning("sent away, for it runs other code than the driver: %s", misfit.words)
            self._client.retire_workers([misfit.address], close_workers=True)


def _result(future: Any) -> Any:
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        return future.result(timeout=_ANSWER_S)
    except KilledWorker as lost:
        _LOG.warning("a worker was lost each time it held %s", lost.task)
        return MediaRefusedError(FileReason.WORKER_LOST, str(lost.last_worker))
    except (CancelledError, CommClosedError, TimeoutError) as lost:
        raise ClusterError(_GONE.format(f"scheduler ({lost})")) from lost
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "heterodub":
            raise
        raise ClusterError(f"a worker that joined the Dask cluster has no heterodub: {missing}") from missing
