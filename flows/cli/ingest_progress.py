"""Progress of an ingest: files done, clips per route and time left."""

import time

from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from flows.cli.progress import Live, time_left
from tasks.ingestion.progress import Tally


class Display(Live):
    """Display of an ingest; a watcher (tasks/ingestion/progress.py). Use as a context manager."""

    def __init__(self, live: bool | None = None) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        super().__init__(columns, live)
        self._phase, self._total, self._done = "", 0, 0
        self._started: dict[str, float] = {}
        self._bars: dict[str, TaskID] = {}

    def phase(self, name: str, total: int) -> None:
        """Start a step of `total` items."""
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
        """Count one item of the step that is done."""
        self._show(self._done + 1, "")

    def analysed(self, tally: Tally) -> None:
        """Count another file that is analysed."""
        routes = "  ".join(f"{route} {tally.routes[route]}" for route in ("both", "stage1", "stage2", "rejected"))
        self._show(tally.files_done, f"{routes}  {self._left(tally)}")

    def _show(self, done: int, detail: str) -> None:
        self._done = done
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, detail=detail)
        elif self._is_due or (detail and done == self._total):
            self._line(f"{self._phase}: {done}/{self._total} {detail}")

    def _left(self, tally: Tally) -> str:
        if not tally.bytes_done or tally.bytes_done >= tally.bytes:
            return ""
        # by bytes, not by files: large files come first, and a count would promise the end far too early
        return time_left((time.monotonic() - self._started[self._phase]) * (tally.bytes / tally.bytes_done - 1))
