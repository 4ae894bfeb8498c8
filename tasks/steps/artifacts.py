"""Tables, texts and progress in Prefect's UI.

They are remarks on the work: a server that is away neither stops nor delays it. What cannot be sent in time is dropped,
with one warning; the store, the run log and the command's own output have it all.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from threading import Event, Lock, Thread
from typing import Any, Final, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from heterodub.schemas.errors import server_is_lost

_LOG: Final = logging.getLogger(__name__)

_WAIT_S: Final = 20.0
"""Seconds that a run waits for a table or a text to be taken; Prefect's client goes on trying meanwhile."""

_AWAY: Final = Event()
"""Set while the server is away, as far as is known."""

_LAST_S: Final = 2.0
"""Seconds that a run waits for the last state of a progress bar."""


def show_table(key: str, rows: Sequence[Mapping[str, Any]], description: str | None = None) -> None:
    """Show a table in the UI. Raises: what Prefect does, save for a server that is away."""
    table = [dict(row) for row in rows]
    _send(partial(create_table_artifact, key=key, table=table, description=description), _WAIT_S)


def show_text(key: str, markdown: str, description: str | None = None) -> None:
    """Show a text in the UI. Raises: as show_table."""
    _send(partial(create_markdown_artifact, key=key, markdown=markdown, description=description), _WAIT_S)


def _send(request: Callable[[], object], wait_s: float) -> None:
    """Make a request in a thread of its own, since the client tries for minutes, and wait so long for it at most. Where
    the server is known to be away the request is made and not waited for.
    """
    answer: Future[object] = Future()
    Thread(target=copy_context().run, args=(_attempt, request, answer), daemon=True).start()
    try:
        answer.result(0 if _AWAY.is_set() else wait_s)
    except TimeoutError:
        _note_away("it did not answer in time")
    except Exception as error:
        if not server_is_lost(error):
            raise
        _note_away(str(error))


def _attempt(request: Callable[[], object], answer: Future[object]) -> None:
    try:
        answer.set_result(request())
        _AWAY.clear()
    except BaseException as error:  # noqa: BLE001 - raised where the answer is awaited
        answer.set_exception(error)


def _note_away(why: str) -> None:
    """Warn that the server is away, once for as long as it is; nothing waits for it meanwhile."""
    if not _AWAY.is_set():
        _AWAY.set()
        _LOG.warning("the Prefect server is away (%s): the run goes on, without progress and tables in its UI", why)


class ProgressBar:
    """A percentage and a line of text in the UI. Only the latest state is sent, by a thread that ends when it was."""

    def __init__(self, key: str) -> None:
        self._key, self._lock = key, Lock()
        self._latest: tuple[float, str] | None = None
        self._thread: Thread | None = None
        self._artifact: UUID | None = None
        self.show(0.0, "begun")

    def show(self, share: float, text: str) -> None:
        """Show a state. Returns at once. share: of the work done, 0 to 1."""
        with self._lock:
            self._latest = share, text
            if self._thread is None:
                self._thread = Thread(target=copy_context().run, args=(self._drain,), daemon=True)
                self._thread.start()

    def finish(self, text: str) -> None:
        """Show that all is done, and wait a moment for it to be seen."""
        self.show(1.0, text)
        if thread := self._thread:
            thread.join(_LAST_S)

    def _drain(self) -> None:
        while True:
            with self._lock:
                if self._latest is None:
                    self._thread = None
                    return
                (share, text), self._latest = self._latest, None
            try:
                self._update(100.0 * share, text)
                _AWAY.clear()
            except Exception as error:  # noqa: BLE001 - nobody waits for this thread
                _note_away(f"{type(error).__name__}: {error}")

    def _update(self, percent: float, text: str) -> None:
        if self._artifact is None:
            made = create_progress_artifact(progress=percent, key=self._key, description=text)
            self._artifact = cast(UUID, made)  # a coroutine only where the caller is async
        else:
            update_progress_artifact(self._artifact, progress=percent, description=text)
