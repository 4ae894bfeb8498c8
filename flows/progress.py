"""What a person sees while a run works: a live bar on a terminal, a line now and then elsewhere. All on stderr."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tasks.extract.watching import Tally

_LINE_EVERY_S = 15.0


class Display:
    """Shows files done, clips per route and time left. Use as a context manager."""

    def __init__(self, live: bool | None = None) -> None:
        self._live = sys.stderr.isatty() if live is None else live
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._phase, self._total, self._done = "", 0, 0
        self._started: dict[str, float] = {}
        self._bars: dict[str, TaskID] = {}
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}"),
                console=Console(stderr=True),
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def phase(self, name: str, total: int) -> None:
        """A step of `total` items begins."""
        self._phase, self._total, self._done = name, total, 0
        self._started.setdefault(name, time.monotonic())  # a large source is worked on in slices: one bar for all
        if self._bar is not None:
            if name not in self._bars:
                self._bars[name] = self._bar.add_task(name, total=total, detail="")
            self._task = self._bars[name]
            self._bar.update(self._task, total=total)
        else:
            self._line(f"{name}: {total} to do")

    def step(self) -> None:
        """One item of the step is done."""
        self._show(self._done + 1, "")

    def analysed(self, tally: Tally) -> None:
        """Another file is analysed."""
        routes = "  ".join(f"{route} {tally.routes[route]}" for route in ("both", "stage1", "stage2", "rejected"))
        self._show(tally.files_done, f"{routes}  {self._left(tally)}")

    def _show(self, done: int, detail: str) -> None:
        self._done = done
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, detail=detail)
        elif time.monotonic() - self._last_line > _LINE_EVERY_S or (detail and done == self._total):
            self._line(f"{self._phase}: {done}/{self._total} {detail}")

    def _left(self, tally: Tally) -> str:
        if not tally.bytes_done or tally.bytes_done >= tally.bytes:
            return ""
        # by bytes, not by files: large files come first, and a count would promise the end far too early
        seconds = (time.monotonic() - self._started[self._phase]) * (tally.bytes / tally.bytes_done - 1)
        return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        print(text.rstrip(), file=sys.stderr, flush=True)
