"""Python processes forked from one that has imported what the tests import: a start costs a twentieth of a second.

That one is itself forked from the process of the tests before the first test: threads of libraries (delta-rs, gRPC,
Prefect) do not survive a fork, and so far there are none. A process that the tests kill or a worker of a cluster is
the real one in all but how it started. Where that is tested, use subprocess; and for a command that runs a flow, since
Prefect keeps the settings and the console that it was imported with.
"""

import atexit
import contextlib
import faulthandler
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NoReturn

_MOST_BYTES = 1 << 17


@dataclass(slots=True)
class Forked:
    """A forked process, with those calls of subprocess.Popen that tests need."""

    pid: int
    _end: socket.socket
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, so many seconds at most.

        Raises: subprocess.TimeoutExpired.
        """
        if (code := self._look(timeout)) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
            self.returncode, cpu_s = json.loads(self._end.recv(_MOST_BYTES))
            server.cpu_s += cpu_s
            self._end.close()
        return self.returncode


class Server:
    """The process that forks the others. cpu_s: processor seconds of those that have ended."""

    def __init__(self) -> None:
        self.cpu_s, self._pid = 0.0, 0
        self._asked: socket.socket | None = None

    @property
    def is_running(self) -> bool:
        """True during the tests of a session."""
        return self._asked is not None

    def start(self) -> None:
        """Fork it from this process, which has no threads that matter."""
        self._asked, answering = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if not self._pid:
            _guarded(_serve, answering.fileno())
        answering.close()

    def stop(self) -> None:
        """End it; its time then counts as that of a child."""
        if self._asked:
            self._asked.close()
            os.waitpid(self._pid, 0)
            self._asked = None

    def popen(
        self,
        words: Sequence[object],
        stdout: IO[Any],
        stderr: IO[Any],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Forked:
        """Start what `python WORDS` would: "-c" and code, "-m" and a module, or a script."""
        assert self._asked, "no test session has started it"
        request = [list(map(str, words)), str(cwd or Path.cwd()), dict(os.environ if env is None else env)]
        end, reporting = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with reporting:
            files = [reporting.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(self._asked, [json.dumps(request).encode()], files)
        return Forked(json.loads(end.recv(_MOST_BYTES)), end)

    def run(
        self, words: Sequence[object], cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run it to its end, within ten minutes; its output is text."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
            process = self.popen(words, out, error, cwd, env)
            try:
                code = process.wait(600)
            finally:
                process.kill()
            out.seek(0)
            error.seek(0)
            return subprocess.CompletedProcess(list(map(str, words)), code, out.read(), error.read())


server = Server()
"""That of this test session."""


def _guarded(work: Callable[..., NoReturn], *given: Any) -> NoReturn:
    """Never return into the tests, which another process runs."""
    try:
        work(*given)
    finally:
        traceback.print_exc()
        os._exit(1)


def _serve(answering: int) -> NoReturn:
    """Fork until nobody can ask any more. Whatever files pytest has open are not this process's."""
    faulthandler.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.dup2(answering, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    asked = socket.socket(fileno=channel)
    while True:
        request, files, _, _ = socket.recv_fds(asked, _MOST_BYTES, 3)
        if request and not os.fork():
            asked.close()
            _guarded(_attend, json.loads(request), files)
        for file in files:
            os.close(file)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not request:
            os._exit(0)


def _attend(request: list[Any], files: list[int]) -> NoReturn:
    """Fork the process that was asked for, tell its id, and then how it ended."""
    reporting = socket.socket(fileno=files[0])
    pid = os.fork()
    if not pid:
        reporting.close()
        _guarded(_become, *request, *files[1:])
    for file in files[1:]:
        os.close(file)
    reporting.send(json.dumps(pid).encode())
    _, status, used = os.wait4(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it
        reporting.send(json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime]).encode())
    os._exit(0)


def _become(words: list[str], cwd: str, env: dict[str, str], out: int, error: int) -> NoReturn:
    for file, number in ((out, 1), (error, 2)):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    code = _code_of(words)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does at its end
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def _code_of(words: list[str]) -> int:
    """Run the words; return the exit status that the interpreter would give them."""
    try:
        _execute(words)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    return 0


def _execute(words: list[str]) -> None:
    kind, name, *rest = words if words[0] in ("-c", "-m") else ["", *words]
    sys.path.insert(0, "")
    if kind == "-c":
        main = sys.modules["__main__"] = ModuleType("__main__")
        sys.argv = ["-c", *rest]
        exec(name, main.__dict__)
        return
    sys.argv = [name, *rest]
    if kind == "-m":
        sys.modules.pop(name, None)  # what was imported under its name is run as `__main__`
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(name, run_name="__main__")
