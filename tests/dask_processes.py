"""A Dask scheduler and workers as people start them: processes of their own, each in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


class DaskProcesses:
    """Starts them on demand, and ends by id whatever it started. `place`: where the code is that they run."""

    def __init__(self, folder: Path, place: Path = ROOT) -> None:
        self.folder, self.place = folder, place
        self._started: list[subprocess.Popen] = []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", "scheduler.json"
        )
        self.address = _address(folder / "scheduler" / "scheduler.json", self.scheduler)

    def worker(
        self, name: str, place: Path | None = None, threads: int = 1, resources: str | None = None
    ) -> subprocess.Popen:
        """A worker without a nanny; one that dies stays dead."""
        words = ["worker", self.address, "--no-nanny", "--nthreads", str(threads), "--name", name]
        words += ["--resources", resources] if resources else []
        return self._start(*words, "--local-directory", "scratch", place=place)

    def close(self) -> None:
        for process in self._started:
            process.kill()
        for process in self._started:
            process.wait()

    def _start(self, kind: str, *words: str, place: Path | None = None) -> subprocess.Popen:
        folder = self.folder / (kind if kind == "scheduler" else words[words.index("--name") + 1])
        folder.mkdir()
        command = [sys.executable, "-m", "dask", kind, *words, "--no-dashboard"]
        surroundings = os.environ | {"PYTHONPATH": str(place or self.place), "DASK_LOGGING__DISTRIBUTED": "warning"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=folder, env=surroundings, stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(process)
        return process


def leave(worker: subprocess.Popen) -> None:
    """End a worker as Ctrl-C or a service manager does."""
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)


def _address(file: Path, scheduler: subprocess.Popen) -> str:
    end = time.monotonic() + 120
    while time.monotonic() < end and scheduler.poll() is None:
        try:
            return str(json.loads(file.read_text())["address"])
        except (FileNotFoundError, ValueError):
            time.sleep(0.1)
    raise RuntimeError(f"no scheduler: {(file.parent / 'log').read_text()[-2000:]}")
