"""Progress as a Prefect artifact, so that the UI shows how far a run is."""

import time
from typing import Final, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from model.training.callbacks import Callback, Callbacks, StepMetrics
from tasks.ingestion.progress import IngestWatcher, Tally

_EVERY_S: Final = 5.0
"""Seconds between two updates: each is a request to the Prefect server."""


def shown_by_prefect(watcher: IngestWatcher, key: str) -> IngestWatcher:
    """The watcher, with a progress artifact of that key beside it when this is a task run."""
    return watcher if TaskRunContext.get() is None else _Work(watcher, _Artifact(key))


def training_shown_by_prefect(listener: Callback, key: str) -> Callback:
    """The same for a training: its share of steps."""
    return listener if TaskRunContext.get() is None else Callbacks(listener, _Training(_Artifact(key)))


class _Artifact:
    """A percentage and a line of words in the UI."""

    def __init__(self, key: str) -> None:
        made = create_progress_artifact(progress=0.0, key=key, description="begun")
        self._artifact = cast(UUID, made)  # a coroutine only where the caller is async
        self._told = time.monotonic()

    def tell(self, share: float, words: str, at_once: bool) -> None:
        """Show how far it is; unless at once, only when the last time is long enough ago."""
        if at_once or time.monotonic() - self._told > _EVERY_S:
            self._told = time.monotonic()
            update_progress_artifact(self._artifact, progress=100.0 * share, description=words)


class _Work:
    """Tells another watcher everything, and Prefect a percentage now and then."""

    def __init__(self, inner: IngestWatcher, artifact: _Artifact) -> None:
        self._inner, self._artifact = inner, artifact
        self._phase, self._total, self._done = "", 0, 0

    def phase(self, name: str, total: int) -> None:
        """A step of `total` items begins."""
        self._inner.phase(name, total)
        self._phase, self._total, self._done = name, total, 0

    def step(self) -> None:
        """One item of the step is done."""
        self._inner.step()
        self._done += 1
        words = f"{self._phase}: {self._done} of {self._total}"
        self._artifact.tell(self._done / max(1, self._total), words, self._done == self._total)

    def analysed(self, tally: Tally) -> None:
        """Another file is done; by bytes, since large files come first."""
        self._inner.analysed(tally)
        routes = ", ".join(f"{route} {count}" for route, count in sorted(tally.routes.items()))
        words = f"{self._phase}: {tally.files_done} of {tally.files} files: {routes}"
        self._artifact.tell(tally.bytes_done / max(1, tally.bytes), words, tally.files_done == tally.files)


class _Training(Callbacks):
    """Hears of a training and tells Prefect."""

    def __init__(self, artifact: _Artifact) -> None:
        super().__init__()
        self._artifact, self._steps = artifact, 0

    def started(self, first_step: int, steps: int) -> None:
        """Training begins, or goes on."""
        self._steps = steps

    def stepped(self, report: StepMetrics) -> None:
        """A step was taken."""
        loss = report.losses.get("total")
        words = f"step {report.step} of {self._steps}" + ("" if loss is None else f", loss {loss:.4f}")
        self._artifact.tell(report.step / max(1, self._steps), words, False)

    def ended(self, step: int, reason: str) -> None:
        """Training is over."""
        self._artifact.tell(1.0, f"{reason} at step {step}", True)
