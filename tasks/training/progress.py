"""Progress of a training: its steps with loss and speed, and the scores of validations."""

from typing import Final

from heterodub.model.training.callbacks import Callback, StepMetrics, ValidationMetrics
from heterodub.schemas.wording import counted
from heterodub.tasks.monitoring.progress import ProgressSink

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
