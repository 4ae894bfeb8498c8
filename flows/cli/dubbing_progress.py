"""Progress of dubbing: a bar for each pass, or without a terminal a line now and then."""

from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from flows.cli.progress import Live
from schemas.wording import counted


class DubDisplay(Live):
    """Display of dubbings; a watcher (tasks/dubbing/progress.py). Use as a context manager."""

    def __init__(self, live: bool | None = None) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} frames"))
        super().__init__((*columns, TimeElapsedColumn(), TimeRemainingColumn()), live)
        self._job, self._phase = "", ""
        self._done, self._frames = 0, 0

    def job(self, number: int, jobs: int, name: str) -> None:
        """Start work on a video."""
        self._job = f"{number}/{jobs} {name}: " if jobs > 1 else ""

    def phase(self, name: str, frames: int | None) -> None:
        """Start a pass."""
        self._phase, self._done, self._frames = f"{self._job}{name}", 0, frames or 0
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(escape(self._phase), total=frames)
        elif name == "dub":
            self._line(f"{self._phase}: {counted(frames or 0, 'frame')}")

    def frame(self) -> None:
        """Count a frame that is done."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        elif self._is_due:
            self._line(f"{self._phase}: {self._done}" + (f"/{self._frames}" if self._frames else ""))
