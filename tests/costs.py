"""A plugin: `pytest -p tests.costs ...` shows the CPU seconds of each test file and of the most expensive tests.

Those of the process and of the children that it waited for. A running server counts when it ends, or not at all:
the total of a session is shown by `time`.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

_SHOWN = 25
_AT = pytest.StashKey[float]()


def _cpu_s() -> float:
    return sum(os.times()[:4])


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[_AT] = _cpu_s()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A report carries what its phase cost: set-up holds the fixtures that a test is the first to ask for."""
    report = yield
    before, item.config.stash[_AT] = item.config.stash[_AT], _cpu_s()
    report.user_properties.append(("cpu_s", item.config.stash[_AT] - before))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    files: Counter[str] = Counter()
    phases: Counter[str] = Counter()
    for report in (
        one for kind in terminalreporter.stats.values() for one in kind if isinstance(one, pytest.TestReport)
    ):
        seconds = dict(report.user_properties).get("cpu_s", 0.0)
        files[report.nodeid.partition("::")[0]] += seconds
        phases[f"{report.when:8} {report.nodeid}"] += seconds
    terminalreporter.section(f"CPU seconds: {files.total():.0f} in tests")
    for costs in (files, phases):
        for name, seconds in costs.most_common(_SHOWN):
            terminalreporter.write_line(f"{seconds:7.1f} {name}")
