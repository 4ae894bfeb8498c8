"""The Prefect server of a run's own: it comes up beside the command, is one for all of it, and ends with it."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from heterodub.flows.cli.environment import find_server, prepare
from heterodub.schemas.errors import ServerError, SettingsError
from heterodub.tasks.steps import own_server
from heterodub.tasks.steps.own_server import OwnServer, is_own, start_own_server
from tests.flows.servers import answers

PREFECTS_PORT = 4200
SERVER = "heterodub.tasks.steps.server_process"

DRIVER = """
import signal
from heterodub.tasks.steps.own_server import start_own_server
print(start_own_server().process.pid, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, commons, prefect_api) -> Iterator[Path]:
    """Prefect's folder of these tests, with the tables of the shared server: making them takes seconds."""
    folder = tmp_path_factory.mktemp("prefect")
    (shared,) = commons.folder.glob("prefect-*/prefect.db")
    with closing(sqlite3.connect(shared)) as whole, closing(sqlite3.connect(folder / "prefect.db")) as copy:
        whole.backup(copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(folder))
        yield folder


@pytest.fixture
def unnamed(home, monkeypatch) -> Iterator[None]:
    """An environment that names no server; servers that a test starts end with it."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("PREFECT_API_URL", "")  # set, so that it is as before afterwards
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "")
    monkeypatch.setattr(own_server, "_own", [])
    yield
    for server in own_server._own:
        ended(server)
    signal.signal(signal.SIGINT, before)


def ended(server: OwnServer) -> int:
    server.end()
    return server.process.wait(timeout=100)


def asked(api: str, password: str | None) -> int:
    """HTTP status of a request, with this password or without."""
    request = urllib.request.Request(f"{api}/admin/version")
    if password is not None:
        request.add_header("Authorization", f"Basic {b64encode(password.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def servers_below(pid: int) -> set[int]:
    """Processes below this one that are servers of a run."""
    try:
        family = psutil.Process(pid).children(recursive=True)
        return {one.pid for one in family if SERVER in one.cmdline()}
    except psutil.Error:
        return set()


def test_own_server_answers_this_run_alone_and_ends_with_its_input(unnamed):
    server = start_own_server()
    assert start_own_server() is server
    server.wait()
    server.use()
    assert os.environ["PREFECT_API_URL"] == server.api
    assert is_own(server.api) and not is_own("http://127.0.0.1:4200/api")
    assert asked(server.api, os.environ["PREFECT_API_AUTH_STRING"]) == 200
    assert asked(server.api, None) == asked(server.api, "guessed") == 401
    ended(server)
    assert not answers(f"{server.api}/health")


def test_own_server_ends_when_its_driver_is_killed(unnamed):
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    server = psutil.Process(int(driver.stdout.readline()))
    assert server.is_running()
    driver.kill()
    driver.communicate()
    assert psutil.wait_procs([server], timeout=100)[1] == []


def test_own_server_that_does_not_come_up_is_an_error_with_its_last_words(unnamed, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:////none/such/prefect.db")
    server = start_own_server()
    with pytest.raises(ServerError, match="unable to open database file"):
        server.wait()


def test_prepare_ends_its_server_when_the_check_fails(unnamed):
    def check() -> None:
        raise SettingsError("a mistake")

    with pytest.raises(SettingsError, match="a mistake"):
        prepare(check)
    assert own_server._own[0].process.wait(timeout=100) != 0
    assert os.environ["PREFECT_API_URL"] == ""


def test_find_server_asks_no_server_that_only_listens(unnamed, capsys):
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", PREFECTS_PORT))
        except OSError:
            pytest.skip(f"port {PREFECTS_PORT} is taken on this machine")
        listener.listen()
        listener.settimeout(0.2)
        find_server()
        assert is_own(os.environ["PREFECT_API_URL"]) and str(PREFECTS_PORT) not in os.environ["PREFECT_API_URL"]
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "starting a Prefect server" in capsys.readouterr().err


def test_find_server_refuses_a_named_server_that_does_not_answer(unnamed, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/api")
        with pytest.raises(SettingsError, match="no Prefect server answers"):
            find_server()
    assert own_server._own == []


@pytest.mark.parametrize("named", [False, True])
def test_command_has_one_server_of_its_own_unless_one_is_named(named, home, policies, config, workspace, prefect_api):
    words = ["route", "--policy", str(policies["lenient"]), "-w", str(workspace)]  # changes nothing
    running = subprocess.Popen(
        [sys.executable, "-m", "heterodub", *words, "--config", str(config)],
        env=os.environ | {"PREFECT_API_URL": prefect_api if named else ""},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    seen: set[int] = set()
    while running.poll() is None:
        seen |= servers_below(running.pid)
        time.sleep(0.3)  # looking through all processes is dear, and a server needs seconds to come up
    errors = running.stderr.read()
    assert running.returncode == 0, errors
    assert len(seen) == (0 if named else 1)
    assert ("starting a Prefect server" in errors) is not named
    left = [psutil.Process(pid) for pid in seen if psutil.pid_exists(pid)]
    assert psutil.wait_procs(left, timeout=100)[1] == []
