"""Connection to Dask: a cluster that ends with the run, or one that stands, checked before it is used.

This module and dask_executor.py alone import Dask, and only when there is work.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heterodub.schemas.errors import ClusterError
from heterodub.tasks.ingestion.code_versions import unlike_words, versions_here

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

__all__ = ["Client", "open_client"]

DECODE: Final = "decode"
"""Resource that tags workers for files: `dask worker --resources decode=1`, one for each thread."""

_CONNECT_S: Final = 10
ANSWER_S: Final = 120
"""Seconds that a scheduler may take to greet, and to answer: a stopped one keeps its connections, and is silent."""

GONE: Final = "the Dask {} went away; what is stored is stored, run it again"

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
                _warn_of_settings(client, settings)
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
    """Compare scheduler and workers for files with this process. Dask's own check only warns, and knows none of our
    packages.
    """
    with scheduler_there(address):
        by_name = {"the scheduler": _asked(lambda: client.run_on_scheduler(versions_here, callback_timeout=ANSWER_S))}
        workers = list(workers_for_files(client))
        answers = client.run(versions_here, workers=workers, on_error="return", callback_timeout=ANSWER_S)
        by_name |= {f"worker {name}": versions for name, versions in answers.items()}
    if len(by_name) == 1:
        raise ClusterError(f"the Dask cluster at {address} has no workers; start some with `dask worker {address}`")
    expected = versions_here().found
    if unlike := [words for name, versions in by_name.items() if (words := unlike_words(name, versions, expected))]:
        raise ClusterError(
            f"the Dask cluster at {address} runs other code than this process ({versions_here().place}): "
            f"{'; '.join(unlike)}. Install the same on every machine and start scheduler and workers anew"
        )


def workers_for_files(client: "Client") -> dict[str, int]:
    """Return threads by address of the workers that declare DECODE, as many of each as it declares; of all workers, if
    none does.
    """
    workers = client.scheduler_info()["workers"]
    tagged = {
        address: min(worker["nthreads"], int(worker["resources"][DECODE]))
        for address, worker in workers.items()
        if DECODE in worker["resources"]
    }
    return tagged or {address: worker["nthreads"] for address, worker in workers.items()}


def _asked(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (ImportError, AttributeError) as error:
        return error


@contextmanager
def scheduler_there(address: str) -> Iterator[None]:
    """Turn the ways in which Dask reports that its scheduler is gone into one error.

    Raises: ClusterError - in place of them; every other error as it is.
    """
    try:
        yield
    except (CancelledError, OSError, TimeoutError) as error:
        raise ClusterError(GONE.format(f"scheduler at {address} ({error})")) from error


def _warn_of_settings(client: "Client", expected: Mapping[str, Any]) -> None:
    """Log which of our settings a standing scheduler lacks: they are its own, and it may serve others, too."""
    with scheduler_there(str(getattr(client.scheduler, "address", ""))):
        actual = _asked(lambda: client.run_on_scheduler(scheduler_settings, callback_timeout=ANSWER_S))
    if not isinstance(actual, dict):
        return
    for name, value in actual.items():
        if value != (wanted := expected[f"distributed.scheduler.{name}"]):
            variable = f"DASK_DISTRIBUTED__SCHEDULER__{name.upper().replace('-', '_')}"
            _LOG.warning(
                "the Dask scheduler has %s %s; start it with %s=%s: %s", name, value, variable, wanted, _WHY[name]
            )


def scheduler_settings(dask_scheduler: Any) -> dict[str, float]:
    """Settings of a scheduler that decide what becomes of files beside one that kills its worker. Runs there."""
    return {
        "allowed-failures": dask_scheduler.allowed_failures,
        "worker-saturation": float(dask_scheduler.WORKER_SATURATION),
    }


_WHY: Final = {
    "allowed-failures": "a file is given up after that many lost workers, not after [limits] attempts",
    "worker-saturation": "a worker that is lost takes other files with it than the one that it works on",
}
