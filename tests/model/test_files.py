"""A file that is under its name whole or not at all, and what killed writers left beside it."""

import os
import subprocess
import sys

import pytest

from heterodub.model.files import atomic_path, clear_partials

KILLED = """
import os, signal, sys
from pathlib import Path
from heterodub.model.files import atomic_path
with atomic_path(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_leftovers_of_dead_writers_are_removed_only(tmp_path):
    out = tmp_path / "out [1].mp4"
    assert subprocess.run([sys.executable, "-c", KILLED, str(out)]).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    ours, other = tmp_path / f".{out.name}.{os.getpid()}.partial", tmp_path / ".out.mp4.x.partial"
    for kept in (ours, other):
        kept.touch()
    clear_partials(out)
    assert sorted(tmp_path.iterdir()) == sorted([ours, other])


def test_failed_write_keeps_the_previous_file(tmp_path):
    out = tmp_path / "out"
    out.write_text("before")
    with pytest.raises(RuntimeError), atomic_path(out) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
