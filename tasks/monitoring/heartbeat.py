"""Heartbeat of a run: a small file in the workspace for as long as the run lives, which separates dead and live runs.

On a local disk the file is locked, and the system releases the lock however a process ends: exact and at once. Where
nothing can be locked (object stores) the file is rewritten every BEAT_S, and a run without a heartbeat for SILENT_S
counts as dead; clocks of machines that share a workspace have to agree to within a minute.
"""

import contextlib
import fcntl
import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from heterodub.tasks.stores.workspace import Workspace

FOLDER: Final = "running"

BEAT_S: Final = 20.0
SILENT_S: Final = 90.0

_ROOM: Final = 512
"""Bytes that are taken at the start, so that on a full disk a run can still say where it is and how it ended."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """State of a run whose end is not written. step: its present one, or the one at which it died. state, error: how it
    ended, if there was no room to write that with its rows.
    """

    alive: bool
    step: str | None = None
    state: str | None = None
    error: str | None = None


class HeartbeatFile:
    """Heartbeat file of one run, from its start until `end`."""

    def __init__(self, ws: Workspace, run: str) -> None:
        self._ws, self._path = ws, f"{ws.folder(FOLDER)}/{run}.json"
        self._told: dict[str, str | None] = {"step": None, "state": None, "error": None}
        self._over = threading.Event()
        self._locked = _lock(self._path) if ws.is_local else None
        self._write()
        if self._locked is None:
            threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def at(self, step: str | None) -> None:
        """Set the present step of the run."""
        self._told["step"] = step
        self._write()

    def end(self) -> None:
        """Delete the file: the run has ended by itself."""
        self._over.set()
        files = self._ws.filesystem()
        with contextlib.suppress(FileNotFoundError):
            files.rm_file(self._path)
        self._let_go()

    def end_here(self, state: str, error: str | None) -> None:
        """The run has ended by itself, and nothing but this can say so: the file stays."""
        self._over.set()
        self._told |= {"state": state, "error": error}
        self._write()
        self._let_go()

    def _let_go(self) -> None:
        if self._locked is not None:
            self._locked.close()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with contextlib.suppress(Exception):  # the next beat may get through; a run must not die of this
                self._write()

    def _write(self) -> None:
        state = {**self._told, "locked": self._locked is not None, "beat_utc": datetime.now(UTC).isoformat()}
        text = json.dumps(state).encode().ljust(_ROOM)
        if self._locked is None:
            self._ws.filesystem().pipe_file(self._path, text)
            return
        self._locked.seek(0)
        self._locked.write(text)
        self._locked.truncate()


def read_heartbeat(ws: Workspace, run: str) -> Heartbeat:
    """Return the state of a run that has not ended."""
    path = ws.path(FOLDER, f"{run}.json")
    is_locked = ws.is_local and _is_locked(Path(path))  # checked before the read: a file half written is still locked
    try:
        state = json.loads(ws.filesystem().cat_file(path))
        alive = is_locked or (not state["locked"] and not state.get("state") and _is_fresh(state["beat_utc"]))
        return Heartbeat(alive, state["step"], state.get("state"), state.get("error"))
    except FileNotFoundError:  # ended just now
        return Heartbeat(is_locked)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # killed within its first write, or not ours
        return Heartbeat(is_locked)


def _lock(path: str) -> Any:
    """Create and lock the file; None if the file system cannot lock."""
    file = Path(path).open("wb", buffering=0)  # noqa: SIM115 - locked until the run ends
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _is_locked(path: Path) -> bool:
    """Return True if another process holds the lock. The check takes a shared one briefly, without a right to write."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_fresh(beat_utc: str) -> bool:
    return (datetime.now(UTC) - datetime.fromisoformat(beat_utc)).total_seconds() < SILENT_S
