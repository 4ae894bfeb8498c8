"""Runs read back from `metrics`: ended, running, and killed ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from heterodub.schemas.endings import ENDINGS, RunEnding
from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.json_cells import json_cell
from heterodub.tasks.stores.workspace import Workspace

from .heartbeat import read_heartbeat

Row = Mapping[str, Any]
RunState = RunEnding | Literal["running", "died"]


@dataclass(frozen=True, slots=True)
class Step:
    """Step of a run, or its result for one corpus; see METRICS in schemas/ledger_tables.py."""

    name: str
    corpus: str | None
    state: str
    seconds: float | None
    files: int | None
    clips: int | None
    bytes: int | None
    media_s: float | None
    errors: int | None
    facts: Mapping[str, Any]
    error: str | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Run of a flow. seconds: until now while it runs; None for one that died, since its end is not known.

    step: the present one, or the one at which it died, or when the disk was full. steps: those written so far.
    """

    run: str
    parent: str | None
    flow: str
    state: RunState
    started_utc: str
    seconds: float | None
    who: str
    code: str
    step: str | None
    error: str | None
    steps: tuple[Step, ...]

    def named(self, step: str) -> Step | None:
        """Return the last record of a step over all corpora."""
        return next((record for record in reversed(self.steps) if record.name == step and record.corpus is None), None)

    def corpora(self, step: str) -> tuple[Step, ...]:
        """Return a step's results for single corpora."""
        return tuple(record for record in self.steps if record.name == step and record.corpus is not None)


def runs(ws: Workspace) -> list[RunRecord]:
    """Return every run of a workspace, newest first; none if nothing was recorded yet.

    Raises: WorkspaceError - the table cannot be read.
    """
    by_run: dict[str, list[Row]] = {}
    for row in sorted(_rows(ws), key=lambda row: str(row["at_utc"])):
        by_run.setdefault(row["run"], []).append(row)
    return [_run(ws, rows) for rows in reversed(by_run.values())]


def under_parents(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Sort runs so that each follows the one that started it; else their order stays."""
    present = {run.run for run in records}
    below: dict[str | None, list[RunRecord]] = {}
    for run in records:
        below.setdefault(run.parent if run.parent in present else None, []).append(run)

    def family(parent: str | None) -> Iterator[RunRecord]:
        for run in below.get(parent, []):
            yield run
            yield from family(run.run)

    return list(family(None))


def _rows(ws: Workspace) -> list[dict[str, Any]]:
    try:
        return list(tables.read_any(ws, "metrics").to_pylist())
    except NotFoundError:  # a run that ended just now has put the small files together
        return list(tables.read_any(ws, "metrics").to_pylist())


def _run(ws: Workspace, rows: list[Row]) -> RunRecord:
    rows = _last_attempt(rows)
    first, whole = rows[0], [row for row in rows if row["step"] is None]
    ended = next((row for row in whole if row["state"] != "started"), None)
    at, error = None, None
    if ended is not None:
        state, seconds, error = _ending(ended["state"]), ended["seconds"], ended["error"]
    else:
        heartbeat = read_heartbeat(ws, first["run"])
        at, error = heartbeat.step, heartbeat.error
        state = "running" if heartbeat.alive else _ending(heartbeat.state) if heartbeat.state else "died"
        seconds = _since(first["at_utc"]) if heartbeat.alive else None
    return RunRecord(
        **{name: first[name] for name in ("run", "parent", "flow", "who", "code")},
        state=state,
        started_utc=first["at_utc"],
        seconds=seconds,
        step=at,
        error=error,
        steps=tuple(_steps(rows)),
    )


def _last_attempt(rows: list[Row]) -> list[Row]:
    """Return the rows since a run's last start: Prefect may repeat a flow run, which keeps its id."""
    starts = [number for number, row in enumerate(rows) if row["step"] is None and row["state"] == "started"]
    return rows[starts[-1] if starts else 0 :]


def _ending(state: str) -> RunState:
    return next((ending for ending in ENDINGS if ending == state), "failed")


def _steps(rows: Iterable[Row]) -> Iterable[Step]:
    fields = ("corpus", "state", "seconds", "files", "clips", "bytes", "media_s", "errors", "error")
    for row in rows:
        if row["step"] is not None:
            yield Step(name=row["step"], **{name: row[name] for name in fields}, facts=json_cell(row, "facts"))


def _since(utc: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(utc)).total_seconds()
