"""What a person sees while a model trains: a bar with loss, speed and time left, or without a terminal some lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from flows.cli.progress import Live, time_left
from model.training.callbacks import StepMetrics, ValidationMetrics
from schemas.wording import counted
from tasks.training.progress import use_training_callback

_MEMORY = 0.95
"""Share of the old value that speed and loss keep at each step: enough to be read, little enough to follow."""


class LearningDisplay(Live):
    """Shows a training; a listener. Use as a context manager."""

    def __init__(self, live: bool | None = None) -> None:
        columns = (TextColumn("train"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
        super().__init__((*columns, TimeElapsedColumn(), TextColumn("{task.fields[detail]}")), live)
        self._steps, self._step = 0, 0
        self._loss: float | None = None
        self._step_s: float | None = None
        self._seen = ""

    def started(self, first_step: int, steps: int) -> None:
        """Training begins, or goes on."""
        self._steps, self._step = steps, first_step
        if first_step >= steps:
            self._line(f"train: all {counted(steps, 'step')} were taken before; --fresh takes them anew")
            return
        if self._bar is not None:
            self._task = self._bar.add_task("train", total=steps, completed=first_step, detail="")
        else:
            self._line(
                f"train: {counted(steps, 'step')}" + (f", going on from step {first_step}" if first_step else "")
            )

    def stepped(self, report: StepMetrics) -> None:
        """A step was taken."""
        self._step = report.step
        self._loss = _followed(self._loss, report.losses["total"])
        self._step_s = _followed(self._step_s, report.seconds)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=report.step, detail=self._detail())
        elif self._is_due:
            self._line(f"train: {report.step}/{self._steps}  {self._detail()}")

    def validated(self, report: ValidationMetrics) -> None:
        """The val split was looked at."""
        shown = {"val loss": report.scores.get("loss"), "opening r": report.scores.get("mouth_opening_corr")}
        self._seen = "  ".join(f"{name} {value:.4g}" for name, value in shown.items() if value is not None)

    def shown(self, name: str, data: bytes) -> None:
        """Pictures go to the run."""

    def saved(self, step: int, checkpoint: Path) -> None:
        """Nothing to show."""

    def ended(self, step: int, reason: str) -> None:
        """Training is over."""
        self._line(f"train: {reason} at step {step}  {self._seen}")

    def _detail(self) -> str:
        if self._loss is None or self._step_s is None:
            return ""
        left = time_left((self._steps - self._step) * self._step_s)
        return f"loss {self._loss:.4f}  {1 / max(self._step_s, 1e-9):.1f} steps/s  {left}  {self._seen}"


def watched(run: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """What a flow returns that trains: its progress is shown meanwhile."""
    with LearningDisplay() as display, use_training_callback(display):
        return run(*given)


def _followed(old: float | None, new: float) -> float:
    return new if old is None else _MEMORY * old + (1 - _MEMORY) * new
