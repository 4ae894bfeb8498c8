"""Progress of a run as a Prefect artifact, shown in the UI."""

import time
from typing import Final, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from model.training.callbacks import Callback, CallbackList, StepMetrics
from tasks.ingestion.progress import IngestWatcher, Tally

_EVERY_S: Final = 5.0
"""Seconds between two updates: each is a request to the Prefect server."""


def shown_by_prefect(watcher: IngestWatcher, key: str) -> IngestWatcher:
    """Return the watcher, in a task run together with a progress artifact of that key."""
    return watcher if TaskRunContext.get() is None else _Work(watcher, _Artifact(key))


def training_shown_by_prefect(callback: Callback, key: str) -> Callback:
    """Return the callback, in a task run together with a progress artifact for the share of steps."""
    return callback if TaskRunContext.get() is None else CallbackList(callback, _Training(_Artifact(key)))


class _Artifact:
    """Percentage and a line of text in the UI."""

    def __init__(self, key: str) -> None:
        artifact = create_progress_artifact(progress=0.0, key=key, description="begun")
        self._artifact = cast(UUID, artifact)  # a coroutine only where the caller is async
        self._updated = time.monotonic()

    def update(self, share: float, words: str, at_once: bool) -> None:
        """Show the progress; unless at_once, only if the last update is long enough ago."""
        if at_once or time.monotonic() - self._updated > _EVERY_S:
            self._updated = time.monotonic()
            update_progress_artifact(self._artifact, progress=100.0 * share, description=words)


class _Work:
    """Watcher that forwards everything to another one, and updates a percentage in Prefect now and then."""

    def __init__(self, inner: IngestWatcher, artifact: _Artifact) -> None:
        self._inner, self._artifact = inner, artifact
        self._phase, self._total, self._done = "", 0, 0

    def phase(self, name: str, total: int) -> None:
        """Start a step of `total` items."""
        self._inner.phase(name, total)
        self._phase, self._total, self._done = name, total, 0

    def step(self) -> None:
        """Count one item of the step that is done."""
        self._inner.step()
        self._done += 1
        words = f"{self._phase}: {self._done} of {self._total}"
        self._artifact.update(self._done / max(1, self._total), words, self._done == self._total)

    def analysed(self, tally: Tally) -> None:
        """Count another file; progress is by bytes, since large files come first."""
        self._inner.analysed(tally)
        routes = ", ".join(f"{route} {count}" for route, count in sorted(tally.routes.items()))
        words = f"{self._phase}: {tally.files_done} of {tally.files} files: {routes}"
        self._artifact.update(tally.bytes_done / max(1, tally.bytes), words, tally.files_done == tally.files)


class _Training(Callback):
    """Callback that updates a percentage of a training in Prefect."""

    def __init__(self, artifact: _Artifact) -> None:
        self._artifact, self._steps = artifact, 0

    def on_train_start(self, first_step: int, steps: int) -> None:
        """Start a training, or resume one."""
        self._steps = steps

    def on_train_step_end(self, report: StepMetrics) -> None:
        """Show a step that was taken."""
        loss = report.losses.get("total")
        words = f"step {report.step} of {self._steps}" + ("" if loss is None else f", loss {loss:.4f}")
        self._artifact.update(report.step / max(1, self._steps), words, False)

    def on_train_end(self, step: int, reason: str) -> None:
        """Show how the training ended."""
        self._artifact.update(1.0, f"{reason} at step {step}", True)
