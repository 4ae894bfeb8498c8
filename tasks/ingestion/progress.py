"""Who watches an ingest: a progress bar, a Prefect artifact, nobody. The work only tells what happened."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Tally:
    """What a run has done so far, and what is ahead of it. reasons: "file: no_face", "stage1: noisy", ..."""

    files: int = 0
    files_done: int = 0
    bytes: int = 0
    bytes_done: int = 0
    media_s: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


class IngestWatcher(Protocol):
    """Told of progress as it happens; must return at once."""

    def phase(self, name: str, total: int) -> None:
        """A step of `total` items begins."""

    def step(self) -> None:
        """One item of the step is done."""

    def analysed(self, tally: Tally) -> None:
        """Another file is done; `tally` is up to date and changes later."""


class SilentIngestWatcher:
    """Watches nothing."""

    def phase(self, name: str, total: int) -> None:
        """Ignored."""

    def step(self) -> None:
        """Ignored."""

    def analysed(self, tally: Tally) -> None:
        """Ignored."""


_WATCHER: ContextVar[IngestWatcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: IngestWatcher) -> Iterator[None]:
    """Flows run inside the block tell this watcher. Not a flow parameter: it is no part of what a run does, and
    a deployment's form could not ask for it.
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def watcher() -> IngestWatcher:
    """Whoever watches the current run."""
    return _WATCHER.get() or SilentIngestWatcher()
