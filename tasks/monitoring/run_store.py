"""Where a run's rows go: the table `metrics` of its workspace, and a sign of life beside it.

Nothing here may end a run. The workspace may not be there yet (an ingest makes it), may be read-only, or away.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from schemas.errors import WorkspaceError
from schemas.tables import METRICS
from tasks.promotion.ledger import who_asks
from tasks.stores import tables, vacuum
from tasks.stores.workspace import Workspace

from .heartbeat import SignOfLife

_LOG: Final = logging.getLogger(__name__)
_COMPACT_ABOVE_FILES: Final = 64


class Store:
    """The rows of one run that are not written yet, and the place they go to."""

    def __init__(self, root: str, run: str) -> None:
        self._root, self._run = root, run
        self._who = who_asks()
        self._waiting: list[dict[str, Any]] = []
        self._sign: SignOfLife | None = None
        self._complained = False

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row; `flush` writes it."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._waiting.append({"run": self._run, "at_utc": at, "who": self._who, **row})

    def at(self, step: str) -> None:
        """Show where the run is."""
        if self._sign is not None:
            self._guarded(self._sign.at, step)

    def flush(self) -> bool:
        """Write what waits; says whether nothing waits any more."""
        self._guarded(self._write)
        return not self._waiting

    def close(self, state: str, error: str | None) -> None:
        """The run is over. What could not be written is lost, but for how it ended, which the sign of life keeps."""
        if self._sign is not None and self._waiting:
            self._guarded(self._sign.end_here, state, error)
        elif self._sign is not None:
            self._guarded(self._sign.end)

    def _write(self) -> None:
        try:
            ws = Workspace.open(self._root)
        except WorkspaceError:
            return  # not there yet; a run that needs one says so itself
        if self._sign is None:
            self._sign = SignOfLife(ws, self._run)
        tables.append_rows(ws, "metrics", pa.Table.from_pylist(self._waiting, schema=METRICS))
        self._waiting.clear()
        _tidy(ws)

    def _guarded(self, work: Callable[..., None], *arguments: str | None) -> None:
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the bookkeeping, the run goes on
            if not self._complained:
                _LOG.warning("metrics of run %s cannot be written to %s: %s", self._run, self._root, error)
            self._complained = True


def _tidy(ws: Workspace) -> None:
    """Many small files become one. No release pins a version of this table, so the small ones go."""
    before = tables.version(ws, "metrics")
    if tables.compact(ws, "metrics", _COMPACT_ABOVE_FILES) != before:
        vacuum.erase(ws, "metrics")
