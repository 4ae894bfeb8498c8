"""Scratch folders of killed processes are removed by the next process; those of living ones stay."""

import os
import subprocess
import sys

import pytest

from heterodub.tasks.ingestion.child_process import ChildProcess
from heterodub.tasks.ingestion.scratch import sweep

OWNER = """
import sys
from heterodub.tasks.ingestion.scratch import Scratch
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


def test_folder_of_a_killed_owner_is_removed(place, owner):
    sweep()
    assert (owner.folder / "copy.mp4").exists()
    owner.kill()
    owner.wait()
    assert owner.folder.exists()
    ChildProcess(2).prepare(len, ())
    assert not owner.folder.exists()


def test_new_and_foreign_folders_are_kept(place):
    young, others = place / "heterodub-work-young", place / "holiday"
    young.mkdir()
    others.mkdir()
    sweep()
    assert young.exists() and others.exists()


@pytest.mark.timeout(30)
def test_sweep_enters_no_link_and_opens_no_pipe(place):
    operators, trap = place / "operators", place / "heterodub-work-trap"
    for folder in (operators, trap):
        folder.mkdir()
        (folder / "thesis.txt").touch()
    (operators / ".owner").touch()
    (place / "heterodub-work-link").symlink_to(operators)
    os.mkfifo(trap / ".owner")
    sweep()
    assert (operators / "thesis.txt").exists() and (trap / "thesis.txt").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another user")
def test_sweep_leaves_another_user_s_folder_alone(place):
    folder = place / "heterodub-work-nobody"
    folder.mkdir()
    (folder / ".owner").touch()
    os.chown(folder, 65534, 65534)
    sweep()
    assert folder.exists()
