"""Whatever is killed, and whenever: run to the end afterwards, the stores hold the rows of an undisturbed run."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from heterodub.schemas.config.settings import load_settings
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import contents, versions
from tests.flows.plain_ingest import run
from tests.flows.servers import start_prefect

pytestmark = pytest.mark.long

SCRIPT, ROOT = Path(__file__).with_name("plain_ingest.py"), Path(__file__).parents[2]


@pytest.fixture(scope="module")
def undisturbed(finished) -> Path:
    """The workspace of an ingest that nothing happened to."""
    return finished.workspace


@pytest.fixture
def complete(footage, config, undisturbed, cluster) -> Callable[[Path], None]:
    """complete(workspace) runs the ingest to its end, and holds what is stored against the undisturbed one's rows."""

    def work(workspace: Path) -> None:
        run(footage, load_settings(config, workspace=str(workspace), run={"dask": cluster}))
        same_rows(workspace, undisturbed)

    return work


def start(
    footage: Path | str,
    config: Path,
    workspace: Path | str,
    dask: str | None = None,
    workers: int = 1,
    cwd: Path | None = None,
    **more: str,
) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), str(footage), str(config), str(workspace)]
    hands = {"PYTHONPATH": str(ROOT)}
    hands |= {"HETERODUB_RUN__DASK": dask} if dask else {"HETERODUB_RUN__WORKERS": str(workers)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, start_new_session=True, cwd=cwd, env=os.environ | hands | more, **pipes)


def wait_for(process: subprocess.Popen, line: str) -> None:
    for output in process.stdout:
        if output.startswith(line):
            return
    raise AssertionError(f"it never said {line!r}: {process.stderr.read()[-2000:]}")


def finish(process: subprocess.Popen) -> None:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-2000:]
    assert output.endswith("done\n")


def kill_group(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def below(process: subprocess.Popen, word: str) -> list[psutil.Process]:
    """Processes that `process` started, directly or not, with a word in their command line."""
    collected = []
    for each in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may just have ended
            if word in " ".join(each.cmdline()):
                collected.append(each)
    return collected


def same_rows(workspace: Path, undisturbed: Path) -> None:
    actual, expected = contents(workspace), contents(undisturbed)
    assert {table: len(rows) for table, rows in expected.items()} == {
        "catalog": 6,
        "clips": 7,
        "stage1": 7,
        "stage2": 7,
    }
    for table, rows in expected.items():
        assert actual[table] == rows, table


@pytest.mark.slow
def test_ten_kills_at_random_moments(footage, config, cluster, complete, tmp_path):
    """Seven times the driver alone dies, workers living on; three times everything dies at once."""
    chance = random.Random(20)
    moments = [("analyse", 0.0), ("publish", 1.0), *(("analysed " + str(chance.randint(1, 6)), 1.0) for _ in range(8))]
    chance.shuffle(moments)
    for number, (moment, spread_s) in enumerate(moments):
        process = start(footage, config, tmp_path, cluster if number < 7 else None, workers=2)
        for line in process.stdout:
            if line.startswith((moment, "publish", "done")):  # fewer files are left each time
                time.sleep(chance.uniform(0, spread_s))
                break
        kill_group(process)
    complete(tmp_path)
    before = versions(tmp_path)
    plan, tally, published = run(footage, load_settings(config, workspace=str(tmp_path)))
    assert (len(plan.fresh), tally.files_done, published.is_new) == (0, 0, False)
    assert versions(tmp_path) == before


def test_workers_killed_midway(footage, config, undisturbed, tmp_path):
    process = start(footage, config, tmp_path, workers=2)
    wait_for(process, "analyse ")
    for _ in range(2):
        time.sleep(0.5)
        for worker in below(process, "spawn_main")[:1]:
            worker.kill()
    finish(process)
    same_rows(tmp_path, undisturbed)


def test_child_that_decodes_killed_midway(footage, config, undisturbed, tmp_path):
    """From outside, as an impatient operator or the kernel does it; the file is innocent."""
    process = start(footage, config, tmp_path)
    wait_for(process, "analyse ")
    deadline = time.monotonic() + 60
    while not (children := below(process, "heterodub.tasks.ingestion.child")) and time.monotonic() < deadline:
        time.sleep(0.1)
    for child in children:
        child.kill()
    assert children
    finish(process)
    same_rows(tmp_path, undisturbed)


def test_slow_worker_restarts_are_waited_for(footage, config, undisturbed, tmp_path):
    """Both are lost at once, and the machine is too busy to start others within Dask's patience of 15 s."""
    process = start(footage, config, tmp_path, workers=2)
    wait_for(process, "analyse ")
    lost = below(process, "spawn_main")
    for worker in lost:
        worker.kill()
    deadline, held = time.monotonic() + 17, {}
    while time.monotonic() < deadline:
        for fresh in below(process, "spawn_main"):
            if fresh.pid not in held and fresh not in lost:
                fresh.suspend()
                held[fresh.pid] = fresh
        time.sleep(0.05)
    for fresh in held.values():
        fresh.resume()
    assert len(held) >= 2
    finish(process)
    same_rows(tmp_path, undisturbed)


def test_whole_command_killed_and_started_again(heterodub, footage, config, undisturbed, tmp_path, prefect_api):
    process = command(footage, config, tmp_path, prefect_api)
    for line in process.stderr:
        if line.startswith("analyse: "):
            break
    time.sleep(4)
    kill_group(process)
    ran = heterodub("ingest", footage, "-w", tmp_path, "--config", config)
    assert ran.returncode == 0, ran.stderr
    same_rows(tmp_path, undisturbed)


@pytest.mark.slow
def test_prefect_server_gone_midway(footage, config, complete, tmp_path_factory):
    """However that run ends, it does end, and the next one makes it whole."""
    home, workspace = tmp_path_factory.mktemp("prefect"), tmp_path_factory.mktemp("workspace")
    server = start_prefect(home)
    try:
        # one retry: Prefect's five, each twice as long as the one before, make minutes of waiting for nothing
        process = command(footage, config, workspace, server.address, PREFECT_CLIENT_MAX_RETRIES="1")
        for line in process.stderr:
            if line.startswith("analyse: "):
                break
    finally:
        os.killpg(server.group, signal.SIGKILL)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0 or "error: " in errors, errors[-1500:]
    complete(workspace)


def command(footage: Path, config: Path, workspace: Path, api: str, **more: str) -> subprocess.Popen:
    words = [
        sys.executable,
        "-m",
        "heterodub.flows.cli.main",
        "ingest",
        footage,
        "-w",
        workspace,
        "--config",
        config,
        "--workers",
        1,
    ]
    surroundings = os.environ | {"PREFECT_API_URL": api} | more
    return subprocess.Popen(
        list(map(str, words)),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings,
    )


@pytest.mark.parametrize("own_server", [False, True])
def test_ctrl_c_ends_the_run_with_a_message(footage, config, complete, tmp_path, prefect_api, own_server):
    """A terminal sends it to the whole group, a server that the run started for itself included."""
    server = {"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path / "prefect")} if own_server else {}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    server |= {"TMPDIR": str(scratch)}
    process = command(footage, config, tmp_path / "workspace", prefect_api, **server)
    for line in process.stderr:
        if line.startswith("analyse: "):
            break
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=100)  # Prefect waits longer for a server that is gone
    assert process.returncode == 130
    assert "stopped; what is stored is stored" in errors and "Traceback" not in errors, errors
    assert not psutil.wait_procs(family, timeout=100)[1]
    (run,) = runs(Workspace.open(str(tmp_path / "workspace")))
    assert run.state == "stopped"
    assert not list(scratch.glob("heterodub-work-*"))
    if own_server:  # the harder end of the two
        complete(tmp_path / "workspace")


def test_no_process_survives_the_driver(footage, config, tmp_path):
    process = start(footage, config, tmp_path)
    wait_for(process, "analysed 1")
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("heterodub.tasks.ingestion.child" in " ".join(each.cmdline()) for each in family)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(family, timeout=300)
    for each in alive:
        each.kill()
    assert not [each.cmdline() for each in alive]
