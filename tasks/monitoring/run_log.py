"""Runs of flows and their steps, written to the table `metrics` and to the log as they happen.

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
from functools import wraps
from importlib.metadata import version
from typing import Any, Final, ParamSpec, TypeVar

from schemas.config.settings import Settings, load_settings
from schemas.endings import RunEnding, ending_of
from schemas.errors import SettingsError

from .logging import PAIRS, log_lines
from .run_store import Store

P = ParamSpec("P")
R = TypeVar("R")

FLUSH_S: Final = 30.0

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of a step's work; see METRICS in schemas/tables.py. facts: other values for trends, ready for JSON."""

    files: int | None = None
    clips: int | None = None
    bytes: int | None = None
    media_s: float | None = None
    errors: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """Log of one run of a flow, from `begin` to `end`."""

    def __init__(self, flow: str, root: str, parent: str | None) -> None:
        self.run = uuid.uuid4().hex[:12]
        self._flow, self._parent = flow, parent
        self._store = Store(root, self.run)
        self._started = time.monotonic()
        self._flushed: float | None = None

    def begin(self) -> None:
        """Log the start. In a workspace that does not exist yet it is written with the first step."""
        self._note(None, "started", None, Counts())
        self._flush(at_once=True)

    def step_begins(self, step: str) -> None:
        """Set the present step of the run."""
        self._store.at(step)

    def step_ends(self, step: str, state: RunEnding, seconds: float, counts: Counts, error: str | None = None) -> None:
        """Log the end of a step."""
        self._note(step, state, seconds, counts, error)
        self._flush()

    def about(self, step: str, corpus: str, counts: Counts) -> None:
        """Log a step's result for one corpus."""
        self._note(step, "done", None, counts, corpus=corpus)

    def end(self, state: RunEnding, error: str | None = None) -> None:
        """Log the end of the run."""
        self._note(None, state, time.monotonic() - self._started, Counts(), error)
        self._flush(at_once=True)
        self._store.close(state, error)

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
        facts = json.dumps(columns.pop("facts"), default=str)
        head = {"parent": self._parent, "flow": self._flow}
        self._store.add({**head, **columns, "code": version("heterodub"), "facts": facts})
        what = self._flow if step is None else f"{self._flow} {step}"
        _LOG.info(what, extra={PAIRS: {"run": self.run, **head, **columns}})

    def _flush(self, at_once: bool = False) -> None:
        is_due = at_once or self._flushed is None or time.monotonic() - self._flushed > FLUSH_S
        if is_due and self._store.flush():
            self._flushed = time.monotonic()


_JOURNAL: ContextVar[Journal | None] = ContextVar("journal", default=None)


def journal() -> Journal | None:
    """Return the run that is under way, if it is recorded."""
    return _JOURNAL.get()


@contextmanager
def recording(flow: str, settings: Settings) -> Iterator["StepOutcome"]:
    """Record the block as a run of a flow. It may set its ending, if that is neither done nor an error."""
    outer = _JOURNAL.get()
    run = Journal(flow, settings.workspace, outer.run if outer else None)
    with log_lines(settings.log), _step(outer, flow) as ending:
        ending.counts = Counts(facts={"run": run.run})  # its counts are in its own rows, once
        token = _JOURNAL.set(run)
        run.begin()
        try:
            yield ending
        except BaseException as error:  # also Ctrl-C and cancellation by Prefect
            run.end("failed", type(error).__name__)
            raise
        else:
            run.end(ending.state)
        finally:
            _JOURNAL.reset(token)


def recorded(flow: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record each call as a run of the flow. The function takes `workspace` and `config`, as all our flows do."""

    def decorate(work: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(work)

        @wraps(work)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            arguments = signature.bind(*args, **kwargs).arguments
            try:
                settings = load_settings(arguments.get("config"), workspace=arguments.get("workspace"))
            except SettingsError:
                return work(*args, **kwargs)  # which raises it itself
            with recording(flow, settings) as outcome:
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
            with _step(_JOURNAL.get(), name) as ending:
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
def _step(run: Journal | None, name: str) -> Iterator[StepOutcome]:
    """Record the block as a step of the run, if there is one."""
    ending, started = StepOutcome(), time.monotonic()
    if run is None:
        yield ending
        return
    run.step_begins(name)
    try:
        yield ending
    except BaseException as error:
        run.step_ends(name, "failed", time.monotonic() - started, ending.counts, type(error).__name__)
        raise
    run.step_ends(name, ending.state, time.monotonic() - started, ending.counts)


def _counted(count: Callable[[Any], Counts] | None, result: object) -> Counts:
    try:
        return count(result) if count else Counts()
    except Exception:  # noqa: BLE001 - the work is done; an error in counting must not undo it
        _LOG.exception("a step could not be counted")
        return Counts()
