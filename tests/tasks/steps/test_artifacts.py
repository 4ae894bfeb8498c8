"""Artifacts are remarks: a Prefect server that is away, or silent, neither stops a run nor keeps it waiting."""

import logging
import socket
import time
from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from heterodub.tasks.steps import artifacts
from heterodub.tasks.steps.artifacts import ProgressBar, show_table, show_text


@pytest.fixture(autouse=True)
def unsaid() -> None:
    artifacts._AWAY.clear()


@pytest.fixture
def nobody() -> Iterator[None]:
    """An address where nothing listens."""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


@pytest.fixture
def silent() -> Iterator[None]:
    """A server that takes connections and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        api = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: api, PREFECT_CLIENT_MAX_RETRIES: 0}):
            yield


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_server_that_is_gone_is_said_once(nobody: None, caplog: pytest.LogCaptureFixture):
    show_table("numbers", [{"a": 1}])
    show_text("words", "# A")
    (line,) = warnings(caplog)
    assert "the Prefect server is away" in line


@pytest.mark.usefixtures("silent")
def test_silent_server_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(artifacts, "_WAIT_S", 1.0)
    show_table("numbers", [{"a": 1}])
    began = time.monotonic()
    for _ in range(20):
        show_table("numbers", [{"a": 1}])
    assert time.monotonic() - began < 20 * 1.0  # it is known to be away
    (line,) = warnings(caplog)
    assert "did not answer in time" in line


@pytest.mark.usefixtures("nobody")
def test_error_of_ours_is_raised():
    with pytest.raises(ValueError, match="key"):
        show_table("No Key", [{"a": 1}])


@pytest.mark.usefixtures("silent")
def test_progress_returns_at_once_while_a_request_hangs():
    bar = ProgressBar("train-progress")
    thread = bar._thread
    for step in range(1000):
        bar.show(step / 1000, f"step {step}")
    assert thread is not None and thread.is_alive() and bar._thread is thread  # one request, and the latest state waits
    assert bar._latest == (0.999, "step 999")


def test_progress_goes_on_when_a_server_is_gone(nobody: None, caplog: pytest.LogCaptureFixture):
    bar = ProgressBar("train-progress")
    bar.finish("done")
    end = time.monotonic() + 20
    while bar._thread is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert bar._latest is None and len(warnings(caplog)) == 1
