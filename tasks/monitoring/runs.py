"""Reads runs back from `metrics`: what ended and how, what is running, and what was killed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from schemas.endings import ENDINGS, RunEnding
from schemas.errors import NotFoundError
from tasks.stores import tables
from tasks.stores.workspace import Workspace

from .heartbeat import heard_of

Row = Mapping[str, Any]
RunState = RunEnding | Literal["running", "died"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a run, or what it found out about one corpus; see METRICS in schemas/tables.py."""

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
    """A run of a flow. seconds: until now while it runs; None for one that died, since nobody saw it end.

    step: where it is or was when it died, or when the disk was full. steps hold what has been written so far.
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
        """The last go at a step that was about everything the run worked on."""
        return next((one for one in reversed(self.steps) if one.name == step and one.corpus is None), None)

    def corpora(self, step: str) -> tuple[Step, ...]:
        """What a step found out about single corpora."""
        return tuple(one for one in self.steps if one.name == step and one.corpus is not None)


def runs(ws: Workspace) -> list[RunRecord]:
    """Every run of a workspace, newest first; none where nothing was recorded yet.

    Raises: WorkspaceError - the table cannot be read.
    """
    by_run: dict[str, list[Row]] = {}
    for row in sorted(_rows(ws), key=lambda row: str(row["at_utc"])):
        by_run.setdefault(row["run"], []).append(row)
    return [_run(ws, rows) for rows in reversed(by_run.values())]


def under_parents(found: Sequence[RunRecord]) -> list[RunRecord]:
    """The same runs with each directly behind the one that started it, else in the order in which they come."""
    there = {run.run for run in found}
    below: dict[str | None, list[RunRecord]] = {}
    for run in found:
        below.setdefault(run.parent if run.parent in there else None, []).append(run)

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
    first, whole = rows[0], [row for row in rows if row["step"] is None]
    ended = next((row for row in whole if row["state"] != "started"), None)
    at, error = None, None
    if ended is not None:
        state, seconds, error = _ending(ended["state"]), ended["seconds"], ended["error"]
    else:
        heard = heard_of(ws, first["run"])
        at, error = heard.step, heard.error
        state = "running" if heard.alive else _ending(heard.state) if heard.state else "died"
        seconds = _since(first["at_utc"]) if heard.alive else None
    return RunRecord(
        **{name: first[name] for name in ("run", "parent", "flow", "who", "code")},
        state=state,
        started_utc=first["at_utc"],
        seconds=seconds,
        step=at,
        error=error,
        steps=tuple(_steps(rows)),
    )


def _ending(said: str) -> RunState:
    return next((one for one in ENDINGS if one == said), "failed")


def _steps(rows: Iterable[Row]) -> Iterable[Step]:
    kept = ("corpus", "state", "seconds", "files", "clips", "bytes", "media_s", "errors", "error")
    for row in rows:
        if row["step"] is not None:
            yield Step(name=row["step"], **{name: row[name] for name in kept}, facts=tables.json_cell(row, "facts"))


def _since(utc: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(utc)).total_seconds()
