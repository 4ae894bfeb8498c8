"""Runs as rows: done, failed, killed, started by each other; and unwritable bookkeeping harms no run."""

import logging
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.monitoring.run_log import Counts, RunLog, as_step, recorded, recording
from heterodub.tasks.monitoring.runs import runs, under_parents
from heterodub.tasks.monitoring.stopping import stop
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace


@as_step("find", lambda count: Counts(files=count, facts={"new_files": count}))
def find(count: int) -> int:
    return count


@as_step("break")
def fail() -> None:
    raise ValueError("/footage/secret.mp4 is odd")


@recorded("ingest")
def ingest(count: int, workspace: str | None = None, config: str | None = None) -> int:
    return find(count)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.open(str(tmp_path / "ws"), create=True)


def test_run_log_writes_rows_for_runs_and_steps(ws: Workspace):
    assert ingest(3, workspace=ws.root) == 3
    (run,) = runs(ws)
    assert (run.flow, run.state, run.parent, run.error) == ("ingest", "done", None, None)
    (step,) = run.steps
    assert (step.name, step.state, step.files, step.clips) == ("find", "done", 3, None)
    assert step.facts == {"new_files": 3}
    assert run.named("find") == step
    assert not list(Path(ws.folder("running")).iterdir())


def test_log_lines_say_the_counts_without_their_pairs(ws: Workspace, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "heterodub"):
        ingest(3, workspace=ws.root)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "ingest: started" and re.fullmatch(r"ingest find: done, 3 files, \d+\.\d s", lines[1])


def test_short_run_is_two_commits(ws: Workspace):
    ingest(3, workspace=ws.root)
    assert tables.version(ws, "metrics") == 2


def test_failure_row_holds_only_the_error_kind(ws: Workspace):
    """An error's words may name footage, and a row outlives a takedown."""
    with pytest.raises(ValueError, match="odd"), recording("train", Settings(workspace=ws.root)):
        find(1)
        fail()
    (run,) = runs(ws)
    assert (run.state, run.error) == ("failed", "ValueError")
    assert [(step.name, step.state, step.error) for step in run.steps] == [
        ("find", "done", None),
        ("break", "failed", "ValueError"),
    ]
    assert "secret" not in str(tables.read(ws, "metrics").to_pylist())


def test_repeated_flow_run_shows_its_last_attempt(ws: Workspace):
    """Prefect repeats a flow run under the id that it had."""
    with pytest.raises(ValueError, match="odd"), recording("train", Settings(workspace=ws.root), "3f9a"):
        fail()
    with recording("train", Settings(workspace=ws.root), "3f9a"):
        (running,) = runs(ws)
        find(1)
    (run,) = runs(ws)
    assert (running.state, run.run, run.state, run.error) == ("running", "3f9a", "done", None)
    assert [step.name for step in run.steps] == ["find"]


def test_subflow_names_its_parent(ws: Workspace):
    with recording("retrain", Settings(workspace=ws.root)):
        ingest(1, workspace=ws.root)
        actual = {run.flow: run for run in runs(ws)}
        assert {name: run.state for name, run in actual.items()} == {"retrain": "running", "ingest": "done"}
    assert actual["ingest"].parent == actual["retrain"].run


def test_subflow_is_a_step_of_its_parent_and_counts_once(ws: Workspace):
    with pytest.raises(ValueError, match="odd"), recording("retrain", Settings(workspace=ws.root)):
        ingest(3, workspace=ws.root)
        with recording("train", Settings(workspace=ws.root)):
            fail()
    actual = {run.flow: run for run in runs(ws)}
    result = [(step.name, step.state, step.error, step.files, step.facts) for step in actual["retrain"].steps]
    assert result == [
        ("ingest", "done", None, None, {"run": actual["ingest"].run}),
        ("train", "failed", "ValueError", None, {"run": actual["train"].run}),
    ]
    assert [step.name for step in actual["train"].steps] == ["break"]


def test_subflows_are_listed_below_their_parent(ws: Workspace):
    for count in (1, 2):
        with recording("retrain", Settings(workspace=ws.root)):
            ingest(count, workspace=ws.root)
    newest_first = runs(ws)
    assert [run.flow for run in newest_first] == ["ingest", "retrain", "ingest", "retrain"]
    shown = under_parents(newest_first)
    assert [run.flow for run in shown] == ["retrain", "ingest", "retrain", "ingest"]
    assert [run.parent for run in shown] == [None, newest_first[1].run, None, newest_first[3].run]
    assert under_parents(newest_first[:1]) == newest_first[:1]  # its parent is beyond what is shown


def test_killed_run_is_distinguished_from_a_live_one(ws: Workspace):
    script = (
        "import sys, time\n"
        "from heterodub.schemas.config.settings import Settings\n"
        "from heterodub.tasks.monitoring.run_log import as_step, recording\n"
        "@as_step('analyse')\n"
        "def analyse():\n"
        "    print('there', flush=True)\n"
        "    time.sleep(600)\n"
        "with recording('ingest', Settings(workspace=sys.argv[1])):\n"
        "    analyse()\n"
    )
    command = [sys.executable, "-c", script, ws.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"there\n"
        (run,) = runs(ws)
        assert (run.state, run.step) == ("running", "analyse")
        assert run.seconds is not None
        process.kill()
        process.wait()
    (run,) = runs(ws)
    assert (run.state, run.step, run.seconds) == ("died", "analyse", None)


def test_run_that_is_stopped_is_neither_failed_nor_dead(ws: Workspace):
    """By an exception, which leaves time for rows, or at once, which leaves the heartbeat's file alone."""

    @as_step("analyse")
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), recording("ingest", Settings(workspace=ws.root)):
        interrupt()
    (first,) = runs(ws)
    assert (first.state, [step.state for step in first.steps]) == ("stopped", ["stopped"])
    process = multiprocessing.get_context("spawn").Process(target=_stop_at_once, args=(ws.root,))
    process.start()
    process.join()
    second = runs(ws)[0]
    assert (second.flow, second.state, second.step) == ("train", "stopped", "fit")
    assert process.exitcode == 130


def _stop_at_once(root: str) -> None:
    @as_step("fit")
    def fit() -> None:
        stop()
        os._exit(130)

    with recording("train", Settings(workspace=root)):
        fit()


def test_missing_workspace_is_not_created_and_the_work_is_done(tmp_path: Path):
    assert ingest(3, workspace=str(tmp_path / "none")) == 3
    assert list(tmp_path.iterdir()) == []


def test_workspace_created_by_the_run_gets_the_whole_run(tmp_path: Path):
    with recording("ingest", Settings(workspace=str(tmp_path / "ws"))):
        ws = Workspace.open(str(tmp_path / "ws"), create=True)
        find(1)
        (run,) = runs(ws)
        assert (run.state, len(run.steps)) == ("running", 1)
    assert runs(ws)[0].state == "done"


@pytest.mark.parametrize("broken", ["metrics", "running"])
def test_metrics_that_cannot_be_written_harm_no_run(ws: Workspace, broken: str, caplog: pytest.LogCaptureFixture):
    (Path(ws.root) / broken).write_text("in the way")
    assert ingest(3, workspace=ws.root) == 3
    assert [one.levelname for one in caplog.records if "cannot be written" in one.getMessage()] == ["WARNING"]


def test_step_that_cannot_be_counted_is_still_done(ws: Workspace):
    work = as_step("odd", lambda result: Counts(files=result["nowhere"]))(lambda: {"some": 1})
    with recording("ingest", Settings(workspace=ws.root)):
        assert work() == {"some": 1}
    assert [(step.state, step.files) for step in runs(ws)[0].steps] == [("done", None)]


def test_workspace_lost_midway_harms_no_run(ws: Workspace):
    with recording("ingest", Settings(workspace=ws.root)):
        shutil.rmtree(ws.root)
        assert find(2) == 2


def test_invalid_settings_are_left_to_the_flow(tmp_path: Path):
    assert ingest(3, config=str(tmp_path / "none.toml")) == 3


def test_step_outside_a_run_is_executed():
    assert find(4) == 4


def test_older_workspace_has_no_runs_and_asking_makes_no_table(ws: Workspace):
    assert runs(ws) == []
    assert not (Path(ws.root) / "metrics").exists()


def _many(root: str) -> None:
    logging.disable()
    for number in range(5):
        ingest(number, workspace=root)


def test_concurrent_runs_lose_no_rows(ws: Workspace):
    processes = [multiprocessing.get_context("spawn").Process(target=_many, args=[ws.root]) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(run.steps[0].files for run in runs(ws)) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert {run.state for run in runs(ws)} == {"done"}


def test_many_small_files_become_one_and_the_small_ones_go(ws: Workspace):
    log = RunLog("ingest", ws.root, None)
    for _ in range(66):
        log.begin()
    assert tables.size(ws, "metrics").rows == 66
    assert len(list((Path(ws.root) / "metrics").glob("*.parquet"))) < 5


def test_run_on_a_full_disk_records_its_end(tmp_path: Path):
    """Its rows find no room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk]).returncode:
        pytest.skip("a small disk can only be made by root")
    try:
        ws = Workspace.open(str(disk / "ws"), create=True)
        with pytest.raises(OSError, match="No space"), recording("ingest", Settings(workspace=ws.root)):
            find(1)
            fill(disk / "film.mp4")
        (run,) = runs(ws)
        assert (run.state, run.step, run.error) == ("failed", "analyse", "OSError")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@as_step("analyse")
def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
