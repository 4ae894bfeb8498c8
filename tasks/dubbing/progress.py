"""Progress of dubbings: watchers, such as a progress bar."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


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
