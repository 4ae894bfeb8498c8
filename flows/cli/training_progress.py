"""Progress of a training: a bar with loss, speed and time left, or without a terminal some lines."""

from collections.abc import Callable
from typing import Any

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from flows.cli.progress import Live, time_left
from model.training.callbacks import Callback, StepMetrics, ValidationMetrics
from schemas.wording import counted
from tasks.training.progress import use_training_callback

_DECAY = 0.95
"""Decay of the moving averages of speed and loss at each step."""


class LearningDisplay(Live, Callback):
    """Display of a training; a callback. Use as a context manager."""

    def __init__(self, live: bool | None = None) -> None:
        columns = (TextColumn("train"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
        super().__init__((*columns, TimeElapsedColumn(), TextColumn("{task.fields[detail]}")), live)
        self._steps, self._step = 0, 0
        self._loss: float | None = None
        self._step_s: float | None = None
        self._val_text = ""

    def on_train_start(self, first_step: int, steps: int) -> None:
        """Start a training, or resume one."""
        self._steps, self._step = steps, first_step
        if first_step >= steps:
            self._line(f"train: all {counted(steps, 'step')} were taken before; --fresh starts over")
            return
        if self._bar is not None:
            self._task = self._bar.add_task("train", total=steps, completed=first_step, detail="")
        else:
            self._line(
                f"train: {counted(steps, 'step')}" + (f", going on from step {first_step}" if first_step else "")
            )

    def on_train_step_end(self, report: StepMetrics) -> None:
        """Show a step that was taken."""
        self._step = report.step
        self._loss = _moving_average(self._loss, report.losses["total"])
        self._step_s = _moving_average(self._step_s, report.seconds)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=report.step, detail=self._detail())
        elif self._is_due:
            self._line(f"train: {report.step}/{self._steps}  {self._detail()}")

    def on_validation_end(self, report: ValidationMetrics) -> None:
        """Show the scores of a validation."""
        shown = {"val loss": report.scores.get("loss"), "opening r": report.scores.get("mouth_opening_corr")}
        self._val_text = "  ".join(f"{name} {value:.4g}" for name, value in shown.items() if value is not None)

    def on_train_end(self, step: int, reason: str) -> None:
        """Show how the training ended."""
        self._line(f"train: {reason} at step {step}  {self._val_text}")

    def _detail(self) -> str:
        if self._loss is None or self._step_s is None:
            return ""
        left = time_left((self._steps - self._step) * self._step_s)
        return f"loss {self._loss:.4f}  {1 / max(self._step_s, 1e-9):.1f} steps/s  {left}  {self._val_text}"


def run_watched(run: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Run a flow that trains, show its progress meanwhile, and return its result."""
    with LearningDisplay() as display, use_training_callback(display):
        return run(*arguments)


def _moving_average(old: float | None, new: float) -> float:
    return new if old is None else _DECAY * old + (1 - _DECAY) * new
