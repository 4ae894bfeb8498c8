"""Progress as a Prefect artifact, so that the UI shows how far a run is."""

import time
from typing import Final, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from tasks.extract.watching import Tally, Watcher

_EVERY_S: Final = 5.0
"""Seconds between two updates: each is a request to the Prefect server."""


def shown_by_prefect(watcher: Watcher, key: str) -> Watcher:
    """The watcher, with a progress artifact of that key beside it when this is a task run."""
    return watcher if TaskRunContext.get() is None else _OnPrefect(watcher, key)


class _OnPrefect:
    """Tells another watcher everything, and Prefect a percentage now and then."""

    def __init__(self, inner: Watcher, key: str) -> None:
        self._inner, self._key = inner, key
        made = create_progress_artifact(progress=0.0, key=key, description="share of bytes done")
        self._artifact = cast(UUID, made)  # a coroutine only where the caller is async
        self._told = time.monotonic()

    def phase(self, name: str, total: int) -> None:
        """A step of `total` items begins."""
        self._inner.phase(name, total)

    def step(self) -> None:
        """One item of the step is done."""
        self._inner.step()

    def analysed(self, tally: Tally) -> None:
        """Another file is done."""
        self._inner.analysed(tally)
        if time.monotonic() - self._told > _EVERY_S or tally.files_done == tally.files:
            self._told = time.monotonic()
            percent = 100.0 * tally.bytes_done / max(1, tally.bytes)
            routes = ", ".join(f"{route} {count}" for route, count in sorted(tally.routes.items()))
            update_progress_artifact(
                self._artifact, progress=percent, description=f"{tally.files_done} of {tally.files} files: {routes}"
            )
