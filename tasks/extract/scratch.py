"""Folders for copies and spools that are cleared even after the process that owned them was killed.

A killed process clears nothing, and a night of killed workers would fill the disk. So each owner holds a lock on its
folder for as long as it lives, and every new child process first sweeps away those whose lock nobody holds any more.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "heterodub-work-"
_LOCK = ".owner"


class Scratch:
    """A new folder of this process under the system's temporary folder, until close()."""

    def __init__(self) -> None:
        self.path, held = _locked()
        while not self.path.exists():  # somebody swept it between its making and its locking
            os.close(held)
            self.path, held = _locked()
        self._held: int | None = held

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _locked() -> tuple[Path, int]:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    held = os.open(path / _LOCK, os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    return path, held


def sweep() -> None:
    """Remove the folders whose owners are gone. One that has no lock yet is being made, and is left alone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            held = os.open(folder / _LOCK, os.O_WRONLY)
        except OSError:  # another's folder, or one that has just gone
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(held)
