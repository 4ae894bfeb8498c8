"""What a person sees while videos are dubbed: a bar for each pass, or without a terminal a line now and then."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LINE_EVERY_S = 15.0


class DubDisplay:
    """Shows dubbings; a watcher (tasks/dubbing/watching.py). Use as a context manager."""

    def __init__(self, live: bool | None = None) -> None:
        self._live = sys.stderr.isatty() if live is None else live
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._job, self._phase = "", ""
        self._done, self._frames = 0, 0
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} frames"))
            self._bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True))
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def job(self, number: int, jobs: int, name: str) -> None:
        """Work on a video begins."""
        self._job = f"{number}/{jobs} {name}: " if jobs > 1 else ""

    def phase(self, name: str, frames: int | None) -> None:
        """A pass begins."""
        self._phase, self._done, self._frames = f"{self._job}{name}", 0, frames or 0
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(escape(self._phase), total=frames)
        elif name == "dub":
            self._line(f"{self._phase}: {frames} frames")

    def frame(self) -> None:
        """A frame is done."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        elif time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._line(f"{self._phase}: {self._done}" + (f"/{self._frames}" if self._frames else ""))

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        print(text, file=sys.stderr, flush=True)
