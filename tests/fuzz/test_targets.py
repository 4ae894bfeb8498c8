"""A short run of the fuzz, seeded, in this process; and whether it would see what it looks for."""

import tempfile

import pytest

from tests.fuzz.__main__ import TARGETS
from tests.fuzz.child import Watch, outcomes, take
from tests.fuzz.target import FuzzTarget


def test_damaged_inputs_end_as_results_or_refusals(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # as in a child: what is listed is put aside there
    steps = list(outcomes(tmp_path, "short", [(target, 0, 4) for target in TARGETS]))
    ended = [(begun, result) for begun, result in zip(steps[::2], steps[1::2], strict=True)]
    assert [(begun, result) for begun, result in ended if result["outcome"] not in ("result", "refused")] == []
    assert len(ended) == 4 * len(TARGETS)
    assert sum(result["outcome"] == "refused" for _, result in ended) > len(TARGETS)


def _connect(folder):
    import socket

    with socket.socket() as one:
        one.settimeout(0.1)
        one.connect_ex(("127.0.0.1", 9))


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        (lambda folder: 1 / 0, "ZeroDivisionError"),
        (lambda folder: (folder.parent / "elsewhere").write_text("x"), "reached out"),
        (lambda folder: (folder.parent / "elsewhere").mkdir(), "reached out"),
        (lambda folder: __import__("subprocess").run(["true"]), "reached out"),
        (_connect, "reached out"),
        (lambda folder: (folder / "inside").write_text("x"), "result"),
    ],
)
def test_fuzz_detects_forbidden_outcomes(tmp_path, act, seen):
    (tmp_path / "home").mkdir()
    assert take(FuzzTarget(lambda _: None, act), tmp_path / "home", Watch(tmp_path / "home"))["outcome"] == seen
