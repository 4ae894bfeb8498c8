"""What a killed process leaves behind is swept by whoever comes next; what a living one holds is not."""

import subprocess
import sys

import pytest

from tasks.extract.isolation import Isolated
from tasks.extract.scratch import sweep

OWNER = """
import sys
from tasks.extract.scratch import Scratch
mine = Scratch()
(mine.path / "copy.mp4").write_bytes(b"x")
print(mine.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield tmp_path
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def owner(place):
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.folder = place / process.stdout.readline().strip()
        yield process
        process.kill()


def test_a_living_owner_keeps_its_folder_and_a_killed_one_does_not(place, owner):
    sweep()
    assert (owner.folder / "copy.mp4").exists()
    owner.kill()
    owner.wait()
    assert owner.folder.exists()
    Isolated(2).prepare(len, ())
    assert not owner.folder.exists()


def test_a_folder_that_is_just_being_made_and_others_folders_are_left_alone(place):
    young, others = place / "heterodub-work-young", place / "holiday"
    young.mkdir()
    others.mkdir()
    sweep()
    assert young.exists() and others.exists()
