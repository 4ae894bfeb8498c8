import json
import logging
import shlex
import sys
from datetime import datetime

import pytest

from heterodub.schemas.config.sections import LogSettings
from heterodub.tasks.monitoring.logging import PAIRS, log_lines

LOG = logging.getLogger("heterodub.tasks.trial")
ODD = 'two words, "quoted"\nnext=line \x1b[31m'


def stderr_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_pairs_stay_on_one_line_and_read_back(capsys: pytest.CaptureFixture[str]):
    with log_lines(LogSettings()):
        LOG.info("ingest find", extra={PAIRS: {"run": "ab12", "files": 212, "seconds": 0.5, "why": ODD, "none": None}})
    (line,) = stderr_lines(capsys)
    assert line.isprintable()
    head, _, rest = line.partition(" level=")
    assert datetime.fromisoformat(head.removeprefix("at="))
    assert rest.startswith(
        'info logger=heterodub.tasks.trial message="ingest find" run=ab12 files=212 seconds=0.5 why="two words'
    )
    pairs = dict(word.split("=", 1) for word in shlex.split(line.replace("\\n", "/").replace("\\u001b", "/")))
    assert pairs["run"] == "ab12"
    assert "none" not in pairs


def test_lines_are_written_once_beside_another_handler_of_stderr(capsys: pytest.CaptureFixture[str]):
    """Such as Prefect's console, which a worker's output is made of."""
    other = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(other)
    try:
        with log_lines(LogSettings()):
            LOG.info("one")
            logging.getLogger("another").warning("two")
        LOG.warning("three")
    finally:
        logging.getLogger().removeHandler(other)
    first, *rest = stderr_lines(capsys)
    assert "message=one" in first and rest == ["two", "three"]


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]):
    with log_lines(LogSettings(format="json")):
        LOG.info("one", extra={PAIRS: {"files": 212, "why": ODD}})
        LOG.warning("two %s", ODD)
    one, two = map(json.loads, stderr_lines(capsys))
    assert (one["message"], one["files"], one["why"], one["level"]) == ("one", 212, ODD, "info")
    assert (two["message"], two["level"]) == (f"two {ODD}", "warning")


def test_error_brings_its_trace_along(capsys: pytest.CaptureFixture[str]):
    with log_lines(LogSettings(format="json")):
        try:
            raise ValueError("odd")
        except ValueError:
            LOG.exception("it broke")
    (line,) = stderr_lines(capsys)
    assert "ValueError: odd" in json.loads(line)["trace"]


def test_log_level_is_the_lowest_shown(capsys: pytest.CaptureFixture[str]):
    with log_lines(LogSettings(level="warning")):
        LOG.info("little")
        LOG.warning("much")
    assert [line.rpartition("=")[2] for line in stderr_lines(capsys)] == ["much"]


def test_nested_runs_log_once_and_leave_no_handlers(capsys: pytest.CaptureFixture[str]):
    before = logging.getLogger("heterodub").level
    with log_lines(LogSettings()):
        with log_lines(LogSettings(format="json", level="debug")):
            LOG.info("once")
        LOG.info("still")
    LOG.info("unheard")
    assert [line.rpartition("=")[2] for line in stderr_lines(capsys)] == ["once", "still"]
    assert logging.getLogger("heterodub").level == before
