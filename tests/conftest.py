"""Fixtures for all tests: a folder that the processes of a session share, and the sample, which takes long to make.

And a summary of the tests that a session did not run, above its closing line.
"""

import contextlib
import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.commons import Commons, sample_media

# as the command line sets it: threads of torch that wait for each other must not keep a busy machine from the tests
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in jobs of a shell behind "&": children would ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def commons(tmp_path_factory, request) -> Commons:
    """The folder that all processes of this session share."""
    return _commons_of(request.config) or Commons(tmp_path_factory.getbasetemp())


def _commons_of(config: pytest.Config) -> Commons | None:
    """Return the folder above that of a process of pytest-xdist, None outside of one."""
    return Commons(Path(config.option.basetemp).parent) if hasattr(config, "workerinput") else None


@pytest.fixture(scope="session")
def tested_demo() -> Path | None:
    """The folder of a demo by the same code, `make demo INGEST_ONLY=1`, if TESTED_DEMO names one. Read only."""
    folder = os.environ.get("TESTED_DEMO")
    return Path(folder) if folder else None


@pytest.fixture(scope="session")
def sample(commons, tested_demo) -> Path:
    """The sample's file of every kind, without the further takes, and its truth. Read only."""
    from heterodub.tasks.synthetic.kinds import KINDS

    return sample_media(commons, tested_demo, {row.file for row in KINDS}).parent


@pytest.fixture(scope="module", autouse=True)
def _close_browser() -> Iterator[None]:
    """End the browser that tests of a module share, if one was started."""
    yield
    if browser := sys.modules.get("tests.browser"):
        browser.shared.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Look for no garbage while the tests are imported: nothing of that becomes any.

    One process imports before the others: it keeps the rewritten asserts, which the others would rewrite as well.
    """
    gc.disable()
    commons = _commons_of(session.config)
    with commons.first_alone("collection") if commons and not sys.dont_write_bytecode else contextlib.nullcontext():
        return (yield)


def pytest_collection_finish() -> None:
    """Look for it from here on, but not among what was imported."""
    gc.freeze()
    gc.enable()


_TOGETHER = ("tests/tasks/dubbing/", "tests/tasks/quality/")
"""Folders with fixtures of a session that each process would have to make for itself, such as a child that dubs."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a file to one process (`--dist loadfile`), and so a whole folder of `_TOGETHER`."""
    from xdist.scheduler import LoadFileScheduling

    class ByFolder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return next((folder for folder in _TOGETHER if file.startswith(folder)), file)

    return ByFolder(config, log) if config.getvalue("dist") == "loadfile" else None


_LONG = pytest.StashKey[int]()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the tests marked long that `make test` leaves out; a process of pytest-xdist hands the number on."""
    config = items[0].config
    if "not long" in config.option.markexpr:
        config.stash[_LONG] = sum(item.get_closest_marker("long") is not None for item in items)
        if hasattr(config, "workeroutput"):
            config.workeroutput["long"] = config.stash[_LONG]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the number; each process collects, and leaves out, the same."""
    node.config.stash[_LONG] = getattr(node, "workeroutput", {}).get("long", 0)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say what was left out and what is missing for it, a line each."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    reasons["marked long, `make test LONG=1` runs them"] = terminalreporter.config.stash.get(_LONG, 0)
    for reason, count in (+reasons).most_common():
        terminalreporter.write_line(f"left out: {count} test{'s' if count > 1 else ''}: {reason}")
