"""Terminal output of commands, as bytes, for file names that hold whatever a file system allows."""

import json
import os
import subprocess
import sys
import tty
from pathlib import Path

import pytest

from tests.flows.commands import each_ended

HOSTILE = b"a\x1b]0;owned\x07\x1b[2J\x1b[31mb\xe2\x80\xae4pm\xc2\x9b1A\x7f\r\nwarning: all is well\xff.mp4"
"""A title, a cleared screen, a colour, a direction, C1, DEL, a line of ours, and a byte that is no UTF-8."""

WRITES = """
import os, sys
from heterodub.tasks.monitoring.streams import escape_output
escape_output()
name = os.fsdecode(bytes.fromhex(sys.argv[1]))
"""

KINDS = {
    "print": "print(name); print(name, file=sys.stderr)",
    "logging": "import logging; logging.error(name); logging.getLogger('x').warning('%s', name)",
    "warnings": "import warnings; warnings.warn(name)",
    "traceback": "raise RuntimeError(name)",
    "a thread's traceback": "import threading; threading.Thread(target=lambda: open(name + '/x')).start()",
    "click": "import typer; typer.echo(name); typer.echo(name, err=True)",
    "rich": "from rich.console import Console; from rich.text import Text; Console().print(Text(name)); print(end='')",
    "a table": "from heterodub.flows.cli.render.tables import console; from rich.text import Text;"
    " console().print(name, Text(name))",
    "progress": "from heterodub.flows.cli.progress import TerminalProgress\n"
    "with TerminalProgress(live=len(sys.argv) > 2) as shown:\n"
    "  shown.phase(f'1/2 {name}: dub', 3); shown.advance(name)",
    "json": "import json; print(json.dumps({'name': name}))",
    "Prefect's log": "import os; os.environ['PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL'] = 'INFO'\n"
    "from prefect.logging.configuration import setup_logging; from prefect.logging import get_logger\n"
    "setup_logging(); get_logger('flow_runs').error(name)",
}


def written(code: str, *words: str) -> bytes:
    """All that a process writes to pipes."""
    done = subprocess.run(
        [sys.executable, "-c", WRITES + code, HOSTILE.hex(), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"COLUMNS": "200"},
    )
    return done.stdout


def shown(code: str) -> bytes:
    """All that a process writes to a terminal, raw."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES + code, HOSTILE.hex(), "live"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"COLUMNS": "200", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    process.wait()
    return b"".join(parts)


def obeyed(output: bytes, colours: bool = False) -> str:
    """Return the control codes in an output; colours and a progress bar's own codes are left out where allowed."""
    text = output.decode("utf-8", "surrogateescape")
    if colours:
        import re

        text = re.sub(r"\x1b\[(\??25[lh]|2K|1A|[0-9;]*m)|\r", "", text)
    return "".join(letter for letter in text if not letter.isprintable() and letter not in "\n\t")


@pytest.mark.parametrize("kind", list(KINDS))
def test_output_holds_no_control_codes(kind):
    output = written(KINDS[kind])
    assert obeyed(output) == ""
    assert rb"\x1b]0;owned" in output or b"\\u001b]0;owned" in output


@pytest.mark.parametrize("kind", ["rich", "a table", "progress", "Prefect's log"])
def test_terminal_output_holds_only_control_codes_of_rich(kind):
    output = shown(KINDS[kind])
    assert rb"\x1b]0;owned" in output
    assert rb"\x1b[2J" in output
    assert obeyed(output, colours=True) == ""


REFUSED = (
    ("ingest", HOSTILE),
    ("route", "--policy", HOSTILE),
    ("list", "--files", HOSTILE),
    ("list", "--route", HOSTILE),
    ("explain", HOSTILE),
    ("dub", HOSTILE, HOSTILE, "-o", HOSTILE + b".mp4"),
)


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> dict[tuple, subprocess.CompletedProcess]:
    workspace = tmp_path_factory.mktemp("refused") / "workspace"
    commands = [words if words[0] == "list" else (*words, "-w", str(workspace)) for words in REFUSED]
    return dict(zip(REFUSED, each_ended(commands, COLUMNS="400"), strict=True))


@pytest.mark.parametrize("words", REFUSED)
def test_commands_that_refuse_a_name_show_it_escaped(words, refused):
    require_escaped(refused[words])


def test_installed_command_that_refuses_a_name_shows_it_escaped(tmp_path):
    words = [Path(sys.executable).with_name("heterodub"), "status", "--config", HOSTILE, "-w", str(tmp_path / "ws")]
    require_escaped(subprocess.run(words, capture_output=True, env=os.environ | {"COLUMNS": "400"}))


def require_escaped(ended: subprocess.CompletedProcess) -> None:
    assert ended.returncode in (1, 2)
    assert obeyed(ended.stdout + ended.stderr) == ""
    assert not any(line.startswith(b"warning:") for line in ended.stderr.splitlines())
    assert b"Traceback" not in ended.stderr
    assert ended.stderr


def test_json_of_a_stream_stays_json():
    assert os.fsencode(json.loads(written(KINDS["json"]))["name"]) == HOSTILE
