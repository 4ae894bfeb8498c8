"""Progress of long commands by phases. Sinks: flows/cli/progress.py, and tasks/steps/progress.py for Prefect."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class ProgressSink:
    """Receives progress and shows nothing; sinks extend it. Calls must return at once."""

    name: str = ""
    total: int | None = None
    done: int = 0
    share: float = 0.0

    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        """Start a phase of `total` units (None: unknown) of which some are done. share: of the work done, 0 to 1, where
        units differ in size.
        """
        self.name, self.total, self.done = name, total, done
        self.share = self._of_total() if share is None else share

    def advance(self, detail: str = "", share: float | None = None) -> None:
        """Count one unit as done. detail: to be shown beside the count. share: as of `phase`."""
        self.done += 1
        self.share = self._of_total() if share is None else share

    def finish(self, text: str) -> None:
        """End the phase. text: how it ended."""

    def _of_total(self) -> float:
        return self.done / self.total if self.total else 0.0


class TitledSink(ProgressSink):
    """Passes progress on to another sink, with a title before the names of phases."""

    def __init__(self, sink: ProgressSink, title: str) -> None:
        self._sink, self._title = sink, title

    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        """Pass it on, titled."""
        self._sink.phase(f"{self._title}{name}", total, done, share)

    def advance(self, detail: str = "", share: float | None = None) -> None:
        """Pass it on."""
        self._sink.advance(detail, share)

    def finish(self, text: str) -> None:
        """Pass it on."""
        self._sink.finish(text)


_SINK: ContextVar[ProgressSink | None] = ContextVar("progress_sink", default=None)


@contextmanager
def use_progress(sink: ProgressSink) -> Iterator[None]:
    """Report the progress of flows inside the block to this sink. Not a flow parameter: it is no part of what a run
    does, and a deployment's form could not ask for it.
    """
    token = _SINK.set(sink)
    try:
        yield
    finally:
        _SINK.reset(token)


def current_progress() -> ProgressSink:
    """Return the sink of the current run."""
    return _SINK.get() or ProgressSink()
