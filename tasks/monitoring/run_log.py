"""Runs of flows and their steps, written to the table `metrics`, to the log, and as spans, as they happen.

`@recorded` makes a call a run of a flow, `@as_step` a step of the run under way, if any. A flow that another one calls
is a run of its own, which names its parent, and a step of that parent. If the log cannot be written, the run
continues and warns once. Rows are buffered: a short run makes two commits, a long one at most one every FLUSH_S.
"""

import inspect
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import wraps
from importlib.metadata import version
from typing import Any, Final, ParamSpec, TypeVar

import pyarrow as pa

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.endings import RunEnding, ending_by, ending_of
from heterodub.schemas.errors import SettingsError, WorkspaceError
from heterodub.schemas.ledger_tables import METRICS
from heterodub.tasks.stores import tables, vacuum
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.ledger import current_user

from .heartbeat import HeartbeatFile
from .logging import PAIRS, log_lines
from .spans import span
from .stopping import at_stop, forget

P = ParamSpec("P")
R = TypeVar("R")

FLUSH_S: Final = 30.0
_COMPACT_ABOVE_FILES: Final = 64

_LOG: Final = logging.getLogger(__name__)

_SAID: Final = ("files", "clips", "errors")
"""Counts in the sentence of a log line."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of a step's work; see METRICS in schemas/ledger_tables.py. facts: other values for trends, for JSON."""

    files: int | None = None
    clips: int | None = None
    bytes: int | None = None
    media_s: float | None = None
    errors: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class RunLog:
    """Log of one run of a flow, from `begin` to `end`: its rows in the table `metrics`, and its heartbeat.

    run: its id; a new one without it. No error here ends a run. The workspace may not exist yet (an ingest creates it),
    may be read-only, or unreachable.
    """

    def __init__(self, flow: str, root: str, parent: str | None, run: str | None = None) -> None:
        self.run = run or str(uuid.uuid4())
        self._flow, self._root, self._parent, self._who = flow, root, parent, current_user()
        self._started = time.monotonic()
        self._flushed: float | None = None
        self._waiting: list[dict[str, Any]] = []
        self._heartbeat: HeartbeatFile | None = None
        self._warned = False

    def begin(self) -> None:
        """Log the start. In a workspace that does not exist yet it is written with the first step."""
        self._note(None, "started", None, Counts())
        self._flush(at_once=True)

    def step_begins(self, step: str) -> None:
        """Set the present step of the run."""
        if self._heartbeat is not None:
            self._guarded(self._heartbeat.at, step)

    def step_ends(self, step: str, state: RunEnding, seconds: float, counts: Counts, error: str | None = None) -> None:
        """Log the end of a step."""
        self._note(step, state, seconds, counts, error)
        self._flush()

    def about(self, step: str, corpus: str, counts: Counts) -> None:
        """Log a step's result for one corpus."""
        self._note(step, "done", None, counts, corpus=corpus)

    def end(self, state: RunEnding, error: str | None = None) -> None:
        """Log the end of the run. If its rows cannot be written, the heartbeat's file keeps how it ended."""
        self._note(None, state, time.monotonic() - self._started, Counts(), error)
        self._flush(at_once=True)
        if self._heartbeat is not None and self._waiting:
            self._guarded(self._heartbeat.end_here, state, error)
        elif self._heartbeat is not None:
            self._guarded(self._heartbeat.end)

    def stop(self) -> None:
        """Keep in the heartbeat's file that the run was stopped: there is no time to write its rows."""
        if self._heartbeat is not None:
            self._guarded(self._heartbeat.end_here, "stopped", None)

    def _note(
        self,
        step: str | None,
        state: str,
        seconds: float | None,
        counts: Counts,
        error: str | None = None,
        corpus: str | None = None,
    ) -> None:
        columns = {"step": step, "corpus": corpus, "state": state, "seconds": seconds, **asdict(counts), "error": error}
        head = {"run": self.run, "parent": self._parent, "flow": self._flow}
        what = self._flow if step is None else f"{self._flow} {step}"
        facts = json.dumps(columns.pop("facts"), default=str)
        _LOG.info(_sentence(what, columns), extra={PAIRS: {"message": what} | head | columns})
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        made_by = {"at_utc": at, "who": self._who, "code": version("heterodub")}
        self._waiting.append({**head, **made_by, **columns, "facts": facts})

    def _flush(self, at_once: bool = False) -> None:
        if at_once or self._flushed is None or time.monotonic() - self._flushed > FLUSH_S:
            self._guarded(self._write)
            self._flushed = self._flushed if self._waiting else time.monotonic()

    def _write(self) -> None:
        try:
            ws = Workspace.open(self._root)
        except WorkspaceError:
            return  # it does not exist yet; a run that needs it raises the error itself
        if self._heartbeat is None:
            self._heartbeat = HeartbeatFile(ws, self.run)
        tables.append_rows(ws, "metrics", pa.Table.from_pylist(self._waiting, schema=METRICS))
        self._waiting.clear()
        _tidy(ws)

    def _guarded(self, work: Callable[..., None], *arguments: str | None) -> None:
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - an error of the log must not end the run
            if not self._warned:
                _LOG.warning("metrics of run %s cannot be written to %s: %s", self.run, self._root, error)
            self._warned = True


def _tidy(ws: Workspace) -> None:
    """Compact many small files to one. No release pins a version of this table, so the small ones are deleted."""
    before = tables.version(ws, "metrics")
    if tables.compact(ws, "metrics", _COMPACT_ABOVE_FILES) != before:
        vacuum.erase(ws, "metrics")


_RUN: ContextVar[RunLog | None] = ContextVar("run", default=None)


def current_run() -> RunLog | None:
    """Return the run that is under way, if it is recorded."""
    return _RUN.get()


@contextmanager
def recording(flow: str, settings: Settings, run_id: str | None = None) -> Iterator["StepOutcome"]:
    """Record the block as a run of a flow. It may set its ending, if that is neither done nor an error. run_id: of the
    run where somebody else has named it; else it gets a new one.
    """
    outer = _RUN.get()
    run = RunLog(flow, settings.workspace, outer.run if outer else None, run_id)
    with log_lines(settings.log), _step(outer, flow) as ending:
        ending.counts = Counts(facts={"run": run.run})  # its counts are in its own rows, once
        token = _RUN.set(run)
        at_stop(run.stop)
        run.begin()
        try:
            with span(flow, run=run.run):
                yield ending
        except BaseException as error:  # also Ctrl-C and cancellation by Prefect
            run.end(ending_by(error), type(error).__name__)
            raise
        else:
            run.end(ending.state)
        finally:
            forget(run.stop)
            _RUN.reset(token)


def recorded(flow: str, run_id: Callable[[], str | None] = lambda: None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record each call as a run of the flow. The function takes `workspace` and `config`, as all our flows do. run_id:
    returns the id of the run that the call is, if it has one already.
    """

    def decorate(work: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(work)

        @wraps(work)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            arguments = signature.bind(*args, **kwargs).arguments
            try:
                settings = load_settings(arguments.get("config"), workspace=arguments.get("workspace"))
            except SettingsError:
                return work(*args, **kwargs)  # which raises it itself
            with recording(flow, settings, run_id()) as outcome:
                result = work(*args, **kwargs)
                outcome.state = ending_of(result)
                return result

        return run

    return decorate


def as_step(name: str, count: Callable[[Any], Counts] | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record each call as a step of the run that is under way; `count` derives the counts from its result."""

    def decorate(work: Callable[P, R]) -> Callable[P, R]:
        @wraps(work)
        def step(*args: P.args, **kwargs: P.kwargs) -> R:
            with _step(_RUN.get(), name) as ending:
                result = work(*args, **kwargs)
                ending.counts = _counted(count, result)
            return result

        return step

    return decorate


@dataclass(slots=True)
class StepOutcome:
    """Counts and ending of a step or run."""

    counts: Counts = field(default_factory=Counts)
    state: RunEnding = "done"


@contextmanager
def _step(run: RunLog | None, name: str) -> Iterator[StepOutcome]:
    """Record the block as a step of the run, if there is one."""
    ending, started = StepOutcome(), time.monotonic()
    if run is None:
        yield ending
        return
    run.step_begins(name)
    try:
        with span(name):
            yield ending
    except BaseException as error:
        run.step_ends(name, ending_by(error), time.monotonic() - started, ending.counts, type(error).__name__)
        raise
    run.step_ends(name, ending.state, time.monotonic() - started, ending.counts)


def _counted(count: Callable[[Any], Counts] | None, result: object) -> Counts:
    try:
        return count(result) if count else Counts()
    except Exception:  # noqa: BLE001 - the work is done; an error in counting must not undo it
        _LOG.exception("a step could not be counted")
        return Counts()


def _sentence(what: str, columns: Mapping[str, Any]) -> str:
    """Return a line for readers who do not see its pairs, as in Prefect's UI: "ingest find: done, 6 files, 0.2 s"."""
    counts = [f"{columns[name]} {name}" for name in _SAID if columns[name] is not None]
    seconds = [] if columns["seconds"] is None else [f"{columns['seconds']:.1f} s"]
    parts = [columns["corpus"], columns["state"], *counts, *seconds, columns["error"]]
    return f"{what}: {', '.join(part for part in parts if part)}"
