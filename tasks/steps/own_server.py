"""Prefect's server of this run alone: a process that comes up beside the rest of the command, and ends with it.

It listens on a port of the loopback that the kernel chose, on a socket bound here, so nobody else can answer in its
place; requests wait there until it is up. Only this run knows the password. It ends when its standard input does, so it
outlives no driver, however that ends, and Ctrl-C does not reach it.
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from typing import IO, Final

from heterodub.schemas.errors import ServerError

_PASSWORD: Final = "PREFECT_API_AUTH_STRING"
_START_UP_S: Final = 120
"""Seconds until the server answers. Some 5 on a quiet machine, 15 where it makes its database first."""
_LAST_WORDS: Final = 2000


class OwnServer:
    """A server; starts with the object. api: its address, as PREFECT_API_URL takes it."""

    def __init__(self) -> None:
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process writes
        self._password = secrets.token_hex()
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            self.api = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
            self.process = subprocess.Popen(
                # -P: nothing is imported from the working folder
                [sys.executable, "-P", "-m", "heterodub.tasks.steps.server_process", str(listener.fileno())],
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._output,
                env=os.environ | {"PREFECT_SERVER_API_AUTH_STRING": self._password, "PREFECT_SERVER_UI_ENABLED": "0"},
                process_group=0,
            )

    def use(self) -> None:
        """Make this process, and those that it starts, clients of the server. Before Prefect is imported."""
        os.environ |= {"PREFECT_API_URL": self.api, _PASSWORD: self._password}

    def wait(self) -> None:
        """Wait until the server answers.

        Raises: ServerError - it ended, or does not answer.
        """
        import urllib.request

        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=_START_UP_S):
                return
        except OSError as error:
            raise ServerError(
                f"the Prefect server of this run does not answer ({error}){self._last_words()}"
            ) from error

    def end(self) -> None:
        """Ask the server to end, without waiting for it."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def _last_words(self) -> str:
        self._output.seek(0)
        text = self._output.read().decode(errors="replace").strip()
        return f": {text[-_LAST_WORDS:]}" if text else ""


_own: list[OwnServer] = []


def start_own_server() -> OwnServer:
    """Return the server of this process, which starts where there is none yet."""
    if not _own or _own[0].process.poll() is not None:
        _own[:] = [OwnServer()]
    return _own[0]


def await_own_server() -> None:
    """Wait until the server of this process answers; at once where it has none.

    Raises: ServerError - it does not come up.
    """
    for server in _own:
        server.wait()


def is_own(api: str | None) -> bool:
    """Return True if no server but that of this run answers at an address."""
    return api is None or api in [server.api for server in _own]
