"""What a person sees while a model trains: a bar with loss, speed and time left, or without a terminal some lines."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from model.training.listening import Stepped, Validated

_LINE_EVERY_S = 15.0
_MEMORY = 0.95
"""Share of the old value that speed and loss keep at each step: enough to be read, little enough to follow."""


class LearningDisplay:
    """Shows a training; a listener. Use as a context manager."""

    def __init__(self, live: bool | None = None) -> None:
        self._live = sys.stderr.isatty() if live is None else live
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._steps, self._step = 0, 0
        self._loss: float | None = None
        self._step_s: float | None = None
        self._seen = ""
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, first_step: int, steps: int) -> None:
        """Training begins, or goes on."""
        self._steps, self._step = steps, first_step
        if self._live:
            columns = (TextColumn("train"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
            self._bar = Progress(
                *columns, TimeElapsedColumn(), TextColumn("{task.fields[detail]}"), console=Console(stderr=True)
            )
            self._bar.start()
            self._task = self._bar.add_task("train", total=steps, completed=first_step, detail="")
        else:
            self._line(f"train: {steps} steps" + (f", going on from step {first_step}" if first_step else ""))

    def stepped(self, report: Stepped) -> None:
        """A step was taken."""
        self._step = report.step
        self._loss = _followed(self._loss, report.losses["total"])
        self._step_s = _followed(self._step_s, report.seconds)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=report.step, detail=self._detail())
        elif time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._line(f"train: {report.step}/{self._steps}  {self._detail()}")

    def validated(self, report: Validated) -> None:
        """The val split was looked at."""
        shown = {"val loss": report.scores.get("loss"), "opening r": report.scores.get("opening_correlation")}
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
        left = (self._steps - self._step) * self._step_s
        time_left = f"{left / 60:.0f} min left" if left > 90 else f"{left:.0f} s left"
        return f"loss {self._loss:.4f}  {1 / max(self._step_s, 1e-9):.1f} steps/s  {time_left}  {self._seen}"

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        print(text.rstrip(), file=sys.stderr, flush=True)


def _followed(old: float | None, new: float) -> float:
    return new if old is None else _MEMORY * old + (1 - _MEMORY) * new
