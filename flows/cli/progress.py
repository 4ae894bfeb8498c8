"""Progress of flows on stderr: bars on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from heterodub.flows.cli.environment import run_flow
from heterodub.flows.cli.render.tables import EscapingConsole
from heterodub.schemas.display import duration
from heterodub.tasks.monitoring.progress import ProgressSink, use_progress
from heterodub.tasks.monitoring.streams import bare, say

_LINE_EVERY_S: Final = 15.0
_BARS: Final = 3
"""Bars that are shown at a time."""


class TerminalProgress(ProgressSink):
    """Sink with a bar for each of the last phases; use as a context manager. live: by default, on a terminal."""

    def __init__(self, live: bool | None = None) -> None:
        texts = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[detail]}", markup=False))
        self._bar: Progress | None = None
        if sys.stderr.isatty() if live is None else live:
            columns = (texts[0], BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), texts[1])
            self._bar = Progress(*columns, console=EscapingConsole(file=bare(sys.stderr)))
        self._bars: dict[str, TaskID] = {}
        self._last_line = self._started = time.monotonic()
        self._first_share = 0.0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        """Start a phase; one of the same name goes on in its bar."""
        super().phase(name, total, done, share)
        self._started, self._first_share = time.monotonic(), self.share
        if self._bar is not None:
            self._start_bar(self._bar)
        elif total is not None and done < total:
            self._line(f"{name}: {total - done} to do" + (f", {done} are done" if done else ""))

    def advance(self, detail: str = "", share: float | None = None) -> None:
        """Count one unit."""
        super().advance(detail, share)
        text = "  ".join(part for part in (detail, self._time_left()) if part)
        if self._bar is not None:
            if self.name in self._bars:
                self._bar.update(self._bars[self.name], completed=self.done, detail=text)
        elif time.monotonic() - self._last_line > _LINE_EVERY_S or (detail and self.done == self.total):
            self._line(f"{self.name}: {self.done}" + (f"/{self.total}" if self.total else "") + f"  {text}")

    def finish(self, text: str) -> None:
        """Print how the phase ended."""
        self._line(f"{self.name}: {text}")

    def _start_bar(self, bars: Progress) -> None:
        if self.name in self._bars and not self.done:
            bars.remove_task(self._bars.pop(self.name))
        if self.name not in self._bars:
            self._bars[self.name] = bars.add_task(self.name, total=self.total, detail="")
        bars.update(self._bars[self.name], total=self.total, completed=self.done)
        for name in list(self._bars)[:-_BARS]:
            bars.remove_task(self._bars.pop(name))

    def _time_left(self) -> str:
        gained = self.share - self._first_share
        if gained <= 0 or self.share >= 1:
            return ""
        return f"{duration((time.monotonic() - self._started) * (1 - self.share) / gained)} left"

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        say(text.rstrip(), error=True)


def run_shown(run: Callable[..., dict[str, Any]], *arguments: Any, **named: Any) -> dict[str, Any]:
    """Run a flow, show its progress meanwhile, and return its result."""
    with TerminalProgress() as sink, use_progress(sink):
        return run_flow(run, *arguments, **named)
