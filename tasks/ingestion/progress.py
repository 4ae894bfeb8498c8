"""Progress of an ingest, for a progress bar, a Prefect artifact or nobody. The work only reports events."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Tally:
    """Counts of a run so far, and the work ahead. reasons: "file: no_face", "stage1: noisy", ..."""

    files: int = 0
    files_done: int = 0
    bytes: int = 0
    bytes_done: int = 0
    media_s: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


class IngestWatcher(Protocol):
    """Receives progress as it happens; must return at once."""

    def phase(self, name: str, total: int) -> None:
        """Start a step of `total` items."""

    def step(self) -> None:
        """Count one item of the step as done."""

    def analysed(self, tally: Tally) -> None:
        """Count another file as done; `tally` is up to date and changes later."""


class SilentIngestWatcher:
    """Ignores all progress."""

    def phase(self, name: str, total: int) -> None:
        """Ignored."""

    def step(self) -> None:
        """Ignored."""

    def analysed(self, tally: Tally) -> None:
        """Ignored."""


_WATCHER: ContextVar[IngestWatcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: IngestWatcher) -> Iterator[None]:
    """Report flows run inside the block to this watcher. Not a flow parameter: it is no part of what a run does, and
    a deployment's form could not ask for it.
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def watcher() -> IngestWatcher:
    """Return the watcher of the current run."""
    return _WATCHER.get() or SilentIngestWatcher()
