"""Passes of a dubbing side by side: their progress, their seconds by kernel, and work done ahead in threads.

Threads, not processes: what takes the time is outside of the interpreter's lock, and frames need not be copied.
"""

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from heterodub.tasks.monitoring.progress import ProgressSink

T = TypeVar("T")

AHEAD: Final = 4
"""Pictures that one pass may be ahead of the next: enough to even out, few enough to hold in memory at any size."""

_END: Final[Any] = object()


class PassMonitor:
    """Progress of a dubbing's passes, and seconds by kernel, of all threads together. Kernels may nest: what an inner
    one takes does not count for the outer one.
    """

    def __init__(self, progress: ProgressSink | None = None) -> None:
        self.progress = progress or ProgressSink()
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()
        self._adding = threading.Lock()
        self._own = _ThreadKernels()

    @property
    def took_s(self) -> float:
        """Seconds since the dubbing began."""
        return time.perf_counter() - self._began

    @contextmanager
    def __call__(self, kernel: str) -> Iterator[None]:
        """Time the block."""
        self._turn()
        self._own.running.append(kernel)
        try:
            yield
        finally:
            self._turn()
            self._own.running.pop()

    def over(self, kernel: str, items: Iterator[T]) -> Generator[T]:
        """Yield the same items; the time that they take to come counts for the kernel."""
        while True:
            with self(kernel):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _turn(self) -> None:
        local, now = self._own, time.perf_counter()
        if local.running:
            with self._adding:
                self.seconds[local.running[-1]] = self.seconds.get(local.running[-1], 0.0) + now - local.since
        local.since = now


class _ThreadKernels(threading.local):
    """Kernels that a thread runs, innermost last, and the time of the last change."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.since = 0.0


def ahead(items: Generator[T], most: int = AHEAD) -> Generator[T]:
    """Yield the same items in the same order, produced in a thread of their own, at most `most` ahead of the consumer.

    An error of the producer is raised here, behind the items before it. Closing the generator stops the thread.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, items, _END) for _ in range(most))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(next, items, _END))
                yield item
        finally:
            for unwanted in coming:
                unwanted.cancel()
            thread.submit(items.close).result()
