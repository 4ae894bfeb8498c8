"""Timing of a dubbing: seconds by kernel."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

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
