"""Storage of a run's rows: the table `metrics` of its workspace, with a heartbeat file.

No error here ends a run. The workspace may not exist yet (an ingest creates it), may be read-only, or unreachable.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from schemas.errors import WorkspaceError
from schemas.tables import METRICS
from tasks.stores import tables, vacuum
from tasks.stores.workspace import Workspace
from tasks.tracking.ledger import current_user

from .heartbeat import HeartbeatFile

_LOG: Final = logging.getLogger(__name__)
_COMPACT_ABOVE_FILES: Final = 64


class Store:
    """Buffer of the rows of one run, and its heartbeat."""

    def __init__(self, root: str, run: str) -> None:
        self._root, self._run = root, run
        self._who = current_user()
        self._waiting: list[dict[str, Any]] = []
        self._heartbeat: HeartbeatFile | None = None
        self._warned = False

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; `flush` writes it."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._waiting.append({"run": self._run, "at_utc": at, "who": self._who, **row})

    def at(self, step: str) -> None:
        """Set the present step of the run."""
        if self._heartbeat is not None:
            self._guarded(self._heartbeat.at, step)

    def flush(self) -> bool:
        """Write the buffered rows; returns True if none is left."""
        self._guarded(self._write)
        return not self._waiting

    def close(self, state: str, error: str | None) -> None:
        """End the heartbeat. Rows that could not be written are lost; the heartbeat's file keeps how the run ended."""
        if self._heartbeat is not None and self._waiting:
            self._guarded(self._heartbeat.end_here, state, error)
        elif self._heartbeat is not None:
            self._guarded(self._heartbeat.end)

    def _write(self) -> None:
        try:
            ws = Workspace.open(self._root)
        except WorkspaceError:
            return  # it does not exist yet; a run that needs it raises the error itself
        if self._heartbeat is None:
            self._heartbeat = HeartbeatFile(ws, self._run)
        tables.append_rows(ws, "metrics", pa.Table.from_pylist(self._waiting, schema=METRICS))
        self._waiting.clear()
        _tidy(ws)

    def _guarded(self, work: Callable[..., None], *arguments: str | None) -> None:
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - an error of the log must not end the run
            if not self._warned:
                _LOG.warning("metrics of run %s cannot be written to %s: %s", self._run, self._root, error)
            self._warned = True


def _tidy(ws: Workspace) -> None:
    """Compact many small files to one. No release pins a version of this table, so the small ones are deleted."""
    before = tables.version(ws, "metrics")
    if tables.compact(ws, "metrics", _COMPACT_ABOVE_FILES) != before:
        vacuum.erase(ws, "metrics")
