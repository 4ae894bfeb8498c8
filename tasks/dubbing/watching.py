"""Where the time of a dubbing goes, and who watches it: a progress bar, or nobody."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Stopwatch:
    """Seconds by kernel. Kernels may nest: what an inner one takes does not count for the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = time.perf_counter()

    @contextmanager
    def __call__(self, kernel: str) -> Iterator[None]:
        """Time the block."""
        self._turn()
        self._running.append(kernel)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def over(self, kernel: str, items: Iterator[T]) -> Iterator[T]:
        """The same items; the time that they take to come counts for the kernel."""
        while True:
            with self(kernel):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._running:
            kernel = self._running[-1]
            self.seconds[kernel] = self.seconds.get(kernel, 0.0) + now - self._since
        self._since = now


class DubWatcher(Protocol):
    """Told of progress as it happens; must return at once."""

    def job(self, number: int, jobs: int, name: str) -> None:
        """Work on a video begins; number counts from 1."""

    def phase(self, name: str, frames: int | None) -> None:
        """A pass of that many frames begins; None: as many as there are."""

    def frame(self) -> None:
        """One frame of the pass is done."""


class Silent:
    """Watches nothing."""

    def job(self, number: int, jobs: int, name: str) -> None:
        """Ignored."""

    def phase(self, name: str, frames: int | None) -> None:
        """Ignored."""

    def frame(self) -> None:
        """Ignored."""


_WATCHER: ContextVar[DubWatcher | None] = ContextVar("dub_watcher", default=None)


@contextmanager
def dubbing_watched_by(watcher: DubWatcher) -> Iterator[None]:
    """Dubbings inside the block tell this watcher. No flow parameter: it is no part of what a run does."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def dub_watcher() -> DubWatcher:
    """Whoever watches the current dubbing."""
    return _WATCHER.get() or Silent()
