"""Fixtures for all tests: a folder that the processes of a session share, and the sample, which takes long to make.

And a summary of the tests that a session did not run, above its closing line.
"""

import gc
import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.commons import Commons

gc.disable()  # until all tests are imported: nothing of it becomes garbage


@pytest.fixture(scope="session")
def commons(tmp_path_factory, request) -> Commons:
    """The folder that all processes of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return Commons(folder.parent if hasattr(request.config, "workerinput") else folder)


@pytest.fixture(scope="session")
def demo() -> Path | None:
    """The folder of a demo by the same code, `make demo INGEST_ONLY=1`, if TESTED_DEMO names one. Read only."""
    folder = os.environ.get("TESTED_DEMO")
    return Path(folder) if folder else None


def sample_media(commons: Commons, demo: Path | None, files: Collection[str]) -> Path:
    """Return the folder that holds these media of the sample, and may hold others; each is made once. Read only."""
    from heterodub.tasks.synthetic.kinds import KINDS  # here, not above: most sessions make none
    from heterodub.tasks.synthetic.make import make_sample
    from heterodub.tasks.synthetic.truth import write_table

    if demo:
        return demo / "sample" / "media"
    folder, whole = commons.folder / "sample", commons.folder / "sample.whole"
    with commons.alone("sample"):
        made = set(json.loads(whole.read_text())) if whole.exists() else set()
        if missing := set(files) - made:
            make_sample(folder, only=missing)
            write_table(folder, [row for row in KINDS if row.file in made | missing])
            whole.write_text(json.dumps(sorted(made | missing)))
    return folder / "media"


@pytest.fixture(scope="session")
def sample(commons, demo) -> Path:
    """The sample's file of every kind, without the further takes, and its truth. Read only."""
    from heterodub.tasks.synthetic.kinds import KINDS

    return sample_media(commons, demo, {row.file for row in KINDS}).parent


def pytest_collection_finish() -> None:
    """Look for garbage from here on, but not among what was imported."""
    gc.freeze()
    gc.enable()


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
