"""Base of the progress displays: a live bar on a terminal, a line now and then elsewhere. All on stderr."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import Progress, ProgressColumn, TaskID

from flows.cli.consoles import EscapingConsole
from tasks.monitoring.streams import bare, say

_LINE_EVERY_S = 15.0


class Live:
    """Base display; use as a context manager. `columns` are the bar's; live: by default, if stderr is a terminal."""

    def __init__(self, columns: tuple[ProgressColumn, ...], live: bool | None = None) -> None:
        self._bar: Progress | None = None
        if sys.stderr.isatty() if live is None else live:
            self._bar = Progress(*columns, console=EscapingConsole(file=bare(sys.stderr)))
        self._task: TaskID | None = None
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def _is_due(self) -> bool:
        """True if the last line is long enough ago for another one."""
        return time.monotonic() - self._last_line > _LINE_EVERY_S

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        say(text.rstrip(), error=True)


def time_left(seconds: float) -> str:
    """Return a remaining time as text, in minutes from 90 s on."""
    return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"
