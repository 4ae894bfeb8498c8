"""Resources shared by all processes of a test session: folders made once, servers started once.

pytest-xdist gives each process session fixtures of its own; so expensive fixtures lie below one folder, behind locks.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_KEEPER = """
import fcntl, os, signal, sys
users = open(sys.argv[1], "w")
fcntl.flock(users, fcntl.LOCK_EX)
os.unlink(sys.argv[2])
os.killpg(int(sys.argv[3]), signal.SIGKILL)
"""
"""Waits until nobody holds the file of users any more, killed ones included; then ends the server, by its id."""


@dataclass(frozen=True)
class Started:
    """A server: where it answers, and the process group of its own that it is."""

    address: str
    group: int


@dataclass(frozen=True)
class Commons:
    """The folder of a session."""

    folder: Path

    def made_once(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return the folder of that name; the first caller makes it by `make(folder)`. Read-only."""
        folder, whole = self.folder / name, self.folder / f"{name}.whole"
        with self.alone(name):
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of somebody who failed
                make(folder)
                whole.touch()
        return folder

    @contextlib.contextmanager
    def served(self, name: str, start: Callable[[Path], Started]) -> Iterator[str]:
        """Return a server's address; the first caller starts it by `start(a new folder)`; it ends with its last user.

        It is killed, not stopped: its data are a test's, and are not kept.
        """
        result = self.folder / f"{name}.json"
        with (self.folder / f"{name}.users").open("w") as users:
            with self.alone(name):
                fcntl.flock(users, fcntl.LOCK_SH)
                if not result.exists():
                    (place := self.folder / f"{name}-{os.getpid()}").mkdir(exist_ok=True)
                    started = start(place)
                    result.write_text(json.dumps(asdict(started)))
                    words = [sys.executable, "-S", "-c", _KEEPER, users.name, str(result), str(started.group)]
                    subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
                address = json.loads(result.read_text())["address"]
            yield address

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """A block that only one process of the session runs at a time."""
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def first_alone(self, name: str) -> Iterator[None]:
        """A block that the first process runs before all others, which then run it side by side."""
        with (self.folder / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(lock, fcntl.LOCK_SH)
            yield


def sample_media(commons: Commons, demo: Path | None, files: Collection[str]) -> Path:
    """Return the folder that holds these media of the sample, and may hold others; each is made once. Read only."""
    from heterodub.tasks.synthetic.kinds import KINDS  # here, not above: most sessions make none
    from heterodub.tasks.synthetic.make import make_sample
    from heterodub.tasks.synthetic.truth import write_table

    if demo:
        return demo / "sample" / "media"
    folder, whole = commons.folder / "sample", commons.folder / "sample.whole"
    with commons.alone("sample"):
        made = set(json.loads(whole.read_text())) if whole.exists() else set()
        if missing := set(files) - made:
            make_sample(folder, only=missing)
            write_table(folder, [row for row in KINDS if row.file in made | missing])
            whole.write_text(json.dumps(sorted(made | missing)))
    return folder / "media"
