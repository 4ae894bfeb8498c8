"""Progress and timing of a dubbing: seconds by kernel, and watchers such as a progress bar."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class KernelTimer:
    """Seconds by kernel, of all threads together. Kernels may nest: what an inner one takes does not count for the
    outer one.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._adding = threading.Lock()
        self._own = _ThreadKernels()

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

    def over(self, kernel: str, items: Iterator[T]) -> Iterator[T]:
        """Yield the same items; the time that they take to come counts for the kernel."""
        while True:
            with self(kernel):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _turn(self) -> None:
        own, now = self._own, time.perf_counter()
        if own.running:
            with self._adding:
                self.seconds[own.running[-1]] = self.seconds.get(own.running[-1], 0.0) + now - own.since
        own.since = now


class _ThreadKernels(threading.local):
    """Kernels that a thread runs, innermost last, and the time of the last change."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.since = 0.0


class DubWatcher(Protocol):
    """Receives progress as it happens; must return at once."""

    def job(self, number: int, jobs: int, name: str) -> None:
        """Start a video; number counts from 1."""

    def phase(self, name: str, frames: int | None) -> None:
        """Start a pass of that many frames; None: their number is unknown."""

    def frame(self) -> None:
        """Count one frame of the pass as done."""


class SilentDubWatcher:
    """Ignores all progress."""

    def job(self, number: int, jobs: int, name: str) -> None:
        """Ignored."""

    def phase(self, name: str, frames: int | None) -> None:
        """Ignored."""

    def frame(self) -> None:
        """Ignored."""


_WATCHER: ContextVar[DubWatcher | None] = ContextVar("dub_watcher", default=None)


@contextmanager
def dubbing_watched_by(watcher: DubWatcher) -> Iterator[None]:
    """Report dubbings inside the block to this watcher. No flow parameter: it is no part of what a run does."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def dub_watcher() -> DubWatcher:
    """Return the watcher of the current dubbing."""
    return _WATCHER.get() or SilentDubWatcher()
