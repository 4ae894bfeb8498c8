"""The Prefect server of a command is the one that is named, never one that happens to listen."""

import signal
import socket

import pytest

from heterodub.flows.cli.environment import find_server
from heterodub.schemas.errors import SettingsError

PREFECTS_PORT = 4200


@pytest.fixture
def signals_restored():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_find_server_asks_no_server_that_only_listens(monkeypatch, signals_restored, capsys):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", PREFECTS_PORT))
        except OSError:
            pytest.skip(f"port {PREFECTS_PORT} is taken on this machine")
        listener.listen()
        listener.settimeout(0.2)
        find_server()
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "starting a Prefect server" in capsys.readouterr().err


def test_find_server_refuses_a_named_server_that_does_not_answer(monkeypatch, signals_restored):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/api")
        with pytest.raises(SettingsError, match="no Prefect server answers"):
            find_server()
