"""Scratch folders for copies and spools, cleared even after the process that owned them was killed.

A killed process clears nothing, and a night of killed workers would fill the disk. So each owner holds a lock on its
folder for as long as it lives, and every new child process first sweeps away those whose lock nobody holds any more.
"""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

_PREFIX = "heterodub-work-"
_LOCK = ".owner"


class Scratch:
    """Create a new folder of this process under the system's temporary folder, until close()."""

    def __init__(self) -> None:
        self.path, lock = _locked()
        while not self.path.exists():  # somebody swept it between its making and its locking
            os.close(lock)
            self.path, lock = _locked()
        self._held: int | None = lock

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None


class SharedScratch:
    """The one folder for what this user's processes on a machine share. It is removed as the others are, once the last
    of them is gone.

    Raises: OSError - another user's folder has its name, or it cannot be made.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.gettempdir()) / f"{_PREFIX}shared-{os.getuid()}"
        self._held = self._joined()
        while not self._is_there():  # somebody swept it between its making and its locking
            os.close(self._held)
            self._held = self._joined()

    def _joined(self) -> int:
        self.path.mkdir(mode=0o700, exist_ok=True)
        if not _is_own_folder(self.path):
            raise OSError(errno.EACCES, f"{self.path} is not this user's folder")
        lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        return lock

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._held), (self.path / _LOCK).stat())
        except FileNotFoundError:
            return False


def _locked() -> tuple[Path, int]:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(path / _LOCK, os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


def sweep() -> None:
    """Remove the folders whose owners are gone. One that has no lock yet is being made, and is left alone.

    Anybody may put things under such names into the temporary folder, so only folders of this user are entered, and
    only a lock that is a plain file is opened.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if not _is_own_folder(folder):
                continue
            lock = os.open(folder / _LOCK, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # another's folder, one that has just gone, or a lock that is a link or a pipe
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _is_own_folder(path: Path) -> bool:
    facts = path.lstat()
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
