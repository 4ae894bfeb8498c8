"""Distribution of work on files over Dask workers.

At most a few items per thread are in flight, so a million files flood neither the scheduler nor memory. A worker that
dies is replaced, and what it held is tried again; an item that loses its worker every time is reported as such. Workers
of a cluster may come and go meanwhile. One that runs other code than the driver is sent away before it is given work.
Where some workers declare the resource DECODE, the others get none.
"""

import logging
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import count, islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from heterodub.schemas.errors import ClusterError, MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion import dask_client
from heterodub.tasks.ingestion.child_process import abandon
from heterodub.tasks.ingestion.code_versions import Misfit, unlike_words, versions_here
from heterodub.tasks.ingestion.dask_client import DECODE, GONE, scheduler_there, workers_for_files

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_FLIGHT_PER_THREAD: Final = 4
"""Enough that a worker never waits for the driver, which answers within milliseconds."""

_LOOK_EVERY_S: Final = 5.0
"""Seconds between two counts of the workers: so long may a new one wait for its share."""

_WANTED_EVERY_S: Final = 2.0
"""Seconds between two looks of a worker at whether its driver still wants what it works on."""

_LOG = logging.getLogger(__name__)


@contextmanager
def _while_wanted() -> Iterator[None]:
    """On a worker: kill the child that works on the task of this thread when its driver has let go of it, or is gone.

    Dask interrupts no thread, so a film would be decoded to its end for nobody.
    """
    from distributed import get_worker

    worker, thread, is_over, ending = get_worker(), threading.get_ident(), threading.Event(), threading.Lock()
    key = worker.get_current_task()

    def watch() -> None:
        while not is_over.wait(_WANTED_EVERY_S):
            task = worker.state.tasks.get(key)
            if task is None or task.state in ("cancelled", "released", "forgotten"):
                with ending:  # the thread's next task has a child, too, which a watcher that lags behind must not kill
                    if not is_over.is_set():
                        abandon(thread)

    watcher = threading.Thread(target=watch, daemon=True, name=f"watch {key}")
    watcher.start()
    try:
        yield
    finally:
        with ending:
            is_over.set()


def _checked(expected: dict[str, str], work: bytes, item: bytes) -> Any:
    """Run on a worker. The work is unpacked after the versions are compared: records of another make might not fit."""
    from distributed import get_worker

    address = str(get_worker().address)
    if words := unlike_words(f"worker {address}", versions_here(), expected):
        return Misfit(address, words)
    with _while_wanted():
        return pickle.loads(work)(pickle.loads(item))


def spread(
    client: "Client",
    work: Callable[[Item], Result],
    items: Iterator[Item],
    key: Callable[[Item], str],
    urgency: Callable[[Item], float] = lambda _: 0.0,
) -> Iterator[tuple[Item, Result | MediaRefusedError]]:
    """Call work(item) for each item somewhere on the cluster; yield (item, result) as they finish.

    A worker lost each time it held an item gives a MediaRefusedError in place of that item's result. `key` names an
    item uniquely, so that Dask does not take two calls for one. Of the calls that no worker has begun, those of the
    highest `urgency` are begun first. `items` is asked again after each result: an iterator
    that ran dry may have more by then. A caller that leaves early, or dies, ends the calls that run within seconds.

    Raises: ClusterError - the scheduler is lost, or code changed meanwhile. Whatever `work` raises. Each ends the run.
    """
    crowd, outstanding = _Crowd(client), _Outstanding(client, work, key, urgency)
    try:
        while True:
            for item in islice(items, max(0, crowd.room() - len(outstanding))):
                outstanding.submit(item, crowd.resources)
            if not outstanding:
                return
            if (done := outstanding.next(_LOOK_EVERY_S)) is None:
                continue  # and look whether there is anybody
            item, result = done
            if isinstance(result, Misfit):
                crowd.send_away(result)
                outstanding.submit(item, crowd.resources)
            else:
                yield item, result
    finally:
        outstanding.release()


def on_every_worker(client: "Client", work: Callable[[], None]) -> None:
    """Call work() in each worker process that gets files; one that is lost, or fails, is passed over."""
    client.run(work, workers=list(workers_for_files(client)), on_error="ignore")


class _Outstanding(Generic[Item]):
    """The calls that the cluster holds."""

    def __init__(
        self,
        client: "Client",
        work: Callable[[Item], Any],
        key: Callable[[Item], str],
        urgency: Callable[[Item], float],
    ) -> None:
        self._client, self._work, self._key, self._urgency = client, pickle.dumps(work), key, urgency
        self._wanted = dict(versions_here().found)
        self._held: dict[str, tuple[Any, Item]] = {}
        self._finished: SimpleQueue[Any] = SimpleQueue()
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._held)

    def submit(self, item: Item, resources: dict[str, float]) -> None:
        """Hand an item to the cluster. resources: those that its worker must have."""
        # numbered, for an item that was sent away with its worker is handed in once more. No "-" behind the name of
        # ours: Dask keeps statistics for ever of every word that stands before one
        name = f"heterodub-{next(self._numbers)}:{self._key(item)}"
        future = self._client.submit(
            _checked,
            self._wanted,
            self._work,
            pickle.dumps(item),
            key=name,
            pure=False,
            priority=self._urgency(item),
            resources=resources,
        )
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
        self._is_tagged = False
        self._sent_away: set[str] = set()

    @property
    def resources(self) -> dict[str, float]:
        """Resources that the workers of files have: once some were tagged, the others stay without, come what may."""
        return {DECODE: 1} if self._is_tagged else {}

    def room(self) -> int:
        """Return how many items may be in flight, at least 1.

        Dask queues no item that asks for a resource, so a worker would hold what waits, and who is lost is blamed for
        all that it holds: of these there is one a thread.
        """
        return max(1, self._look() * (1 if self._is_tagged else IN_FLIGHT_PER_THREAD))

    def _look(self) -> int:
        """Return the threads of the workers that may have items."""
        if time.monotonic() >= self._look_at:
            with scheduler_there(self._address):
                self._threads, is_tagged = self._client.run_on_scheduler(
                    threads_for_files, only_tagged=self._is_tagged, callback_timeout=dask_client.ANSWER_S
                )
            self._is_tagged |= is_tagged
            self._look_at = time.monotonic() + _LOOK_EVERY_S
            if (self._threads == 0) != self._alone:
                self._alone = not self._alone
                _LOG.warning("no Dask worker is left; waiting for one" if self._alone else "there are workers again")
        return self._threads

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


def threads_for_files(dask_scheduler: Any, only_tagged: bool) -> tuple[int, bool]:
    """Return the threads of the workers that declare DECODE, as many of each as it declares, and True; of all workers,
    and False, if none does. Runs on the scheduler. only_tagged: workers that declare nothing count no more.
    """
    workers = dask_scheduler.workers.values()
    tagged = [min(worker.nthreads, int(worker.resources[DECODE])) for worker in workers if DECODE in worker.resources]
    if tagged or only_tagged:
        return sum(tagged), True
    return sum(worker.nthreads for worker in workers), False


def _result(future: Any) -> Any:
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        return future.result(timeout=dask_client.ANSWER_S)
    except KilledWorker as lost:
        _LOG.warning("a worker was lost each time it held %s", lost.task)
        return MediaRefusedError(FileReason.WORKER_LOST, str(lost.last_worker))
    except (CancelledError, CommClosedError, TimeoutError) as lost:
        raise ClusterError(GONE.format(f"scheduler ({lost})")) from lost
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "heterodub":
            raise
        raise ClusterError(f"a worker that joined the Dask cluster has no heterodub: {missing}") from missing
