"""Progress of a run as a Prefect artifact, shown in the UI; of a training with loss, speed and validation scores."""

import time
from typing import Final

from prefect.context import FlowRunContext, TaskRunContext

from heterodub.model.training.callbacks import Callback, StepMetrics, ValidationMetrics
from heterodub.schemas.display import counted
from heterodub.tasks.monitoring.progress import ProgressSink, current_progress
from heterodub.tasks.steps.artifacts import ProgressBar

_DECAY: Final = 0.95
"""Decay of the moving averages of speed and loss at each step."""


class TrainingProgress(Callback):
    """Reports a training to a progress sink, as one phase."""

    def __init__(self, sink: ProgressSink) -> None:
        self._sink = sink
        self._loss: float | None = None
        self._step_s: float | None = None
        self._scores = ""

    def on_train_start(self, first_step: int, steps: int) -> None:
        """Start the phase."""
        self._loss = self._step_s = None
        self._scores = ""
        self._sink.phase("train", steps, first_step)
        if first_step >= steps:
            self._sink.finish(f"all {counted(steps, 'step')} were taken before; --no-resume starts over")

    def on_train_step_end(self, report: StepMetrics) -> None:
        """Count a step."""
        self._loss = _moving_average(self._loss, report.losses["total"])
        self._step_s = _moving_average(self._step_s, report.seconds)
        self._sink.advance(f"loss {self._loss:.4f}  {1 / max(self._step_s, 1e-9):.1f} steps/s  {self._scores}".rstrip())

    def on_validation_end(self, report: ValidationMetrics) -> None:
        """Keep the scores, which are shown from the next step on."""
        scores = {"val loss": report.scores.get("loss"), "opening r": report.scores.get("mouth_opening_corr")}
        self._scores = "  ".join(f"{name} {value:.4g}" for name, value in scores.items() if value is not None)

    def on_train_end(self, step: int, reason: str) -> None:
        """Report how the training ended."""
        self._sink.finish(f"{reason} at step {step}  {self._scores}".rstrip())


def _moving_average(old: float | None, new: float) -> float:
    return new if old is None else _DECAY * old + (1 - _DECAY) * new


_EVERY_S: Final = 5.0
"""Seconds between two updates: each is a request to the Prefect server."""


def step_progress() -> ProgressSink:
    """Return the current sink, in a task run together with a progress artifact named after the flow: train-progress."""
    sink, run = current_progress(), FlowRunContext.get()
    if TaskRunContext.get() is None or run is None or run.flow is None:
        return sink
    return _PrefectSink(sink, f"{run.flow.name}-progress")


def training_callback() -> Callback:
    """Return a callback that reports a training to `step_progress`."""
    return TrainingProgress(step_progress())


class _PrefectSink(ProgressSink):
    """Passes progress on to another sink, and updates a percentage and a line of text in the UI now and then."""

    def __init__(self, sink: ProgressSink, key: str) -> None:
        self._sink, self._bar = sink, ProgressBar(key)
        self._updated = time.monotonic()

    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        """Start a phase; the UI shows it with its first unit."""
        super().phase(name, total, done, share)
        self._sink.phase(name, total, done, share)

    def advance(self, detail: str = "", share: float | None = None) -> None:
        """Count one unit; shown if the last update is long enough ago, or all is done."""
        super().advance(detail, share)
        self._sink.advance(detail, share)
        if self.share >= 1 or time.monotonic() - self._updated > _EVERY_S:
            count = self.done if self.total is None else f"{self.done} of {self.total}"
            self._updated = time.monotonic()
            self._bar.show(self.share, f"{self.name}: {count}" + (f", {detail}" if detail else ""))

    def finish(self, text: str) -> None:
        """Show how the phase ended."""
        self._sink.finish(text)
        self._bar.finish(f"{self.name}: {text}")
