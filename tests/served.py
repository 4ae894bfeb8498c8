"""Servers and workers of tests: real programs, each in a process group of its own, started and stopped by id."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerProgram:
    """`python -m MODULE ...`; health: address that answers once it is up, None for one without a check."""

    def __init__(self, folder: Path, name: str, words: list[str], surroundings: dict[str, str], health: str | None):
        self.folder, self.log = folder, folder / f"{name}.log"
        self._command, self._surroundings, self._health = [sys.executable, "-m", *words], surroundings, health
        self._process: subprocess.Popen | None = None

    def start(self, patience_s: float = 240) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._surroundings, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + patience_s
        while self._health and not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(self.log.read_text()[-2000:])
            time.sleep(0.2)

    @property
    def group(self) -> int:
        """The process group of one that was started."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it and whatever it started; they are the process group that `start` made."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=10) as response:
                return response.status == 200
        except OSError:
            return False
