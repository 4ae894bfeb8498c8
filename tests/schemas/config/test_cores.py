"""Cores that a process may use: a container's share counts, not the machine's cores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heterodub.schemas.config.cores import usable_cores
from heterodub.schemas.config.settings import RunSettings

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", ALL), ("100000 100000", 1), ("50000 100000", 1), ("99900000 100000", min(ALL, 999)), ("no", ALL)],
)
def test_share_of_a_container_limits_the_cores(tmp_path: Path, quota: str, cores: int):
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path / "cpu.max") == cores


def test_without_control_groups_every_core_counts(tmp_path: Path):
    assert usable_cores(tmp_path / "none") == ALL


def test_workers_are_as_many_as_the_cores_the_process_may_run_on():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + (
        "from heterodub.schemas.config.settings import RunSettings; print(RunSettings().workers)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "1" and RunSettings().workers == usable_cores()
