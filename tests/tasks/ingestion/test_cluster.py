"""A standing cluster: other code is named or sent away; workers come and go; the scheduler may be lost."""

import logging
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import psutil
import pytest

from heterodub.schemas.errors import ClusterError
from heterodub.tasks.ingestion import dask_client, dask_executor
from heterodub.tasks.ingestion.code_versions import LIBRARIES, versions_here
from heterodub.tasks.ingestion.dask_client import open_client, workers_for_files
from heterodub.tasks.ingestion.dask_executor import on_every_worker, spread
from tests.dask_processes import ROOT, DaskProcesses, leave

from . import executor_work as work


@pytest.fixture(scope="module")
def other_code(tmp_path_factory) -> Path:
    """A checkout in which one file differs, beside an older numpy, by its package metadata."""
    place = tmp_path_factory.mktemp("other")
    for folder in ("schemas", "model", "tasks"):
        shutil.copytree(ROOT / folder, place / "heterodub" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "heterodub" / "__init__.py", place / "heterodub" / "__init__.py")
    with (place / "heterodub" / "model" / "features" / "mel.py").open("a") as file:
        file.write("# another line\n")
    metadata = place / "numpy-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    (place / "tests").symlink_to(ROOT / "tests")
    return place


@pytest.fixture
def cluster(tmp_path):
    processes = DaskProcesses(tmp_path)
    yield processes
    processes.close()


def answers(client, function, count: int, prefix: str):
    return spread(client, function, iter(range(count)), key=lambda item: f"{prefix}-{item}")


def await_workers(cluster: DaskProcesses, count: int) -> None:
    from distributed import Client

    with Client(cluster.address) as client:
        client.wait_for_workers(count, timeout=120)


def test_processes_with_other_code_are_named_before_work_starts(cluster, other_code, tmp_path):
    with pytest.raises(ClusterError, match="has no workers"), open_client(cluster.address, 1, tmp_path, 3):
        pass
    cluster.worker("same")
    cluster.worker("other", other_code)
    await_workers(cluster, 2)
    with pytest.raises(ClusterError) as excinfo, open_client(cluster.address, 1, tmp_path, 3):
        pass
    words, here = str(excinfo.value), versions_here().found
    assert words.count("worker tcp://") == 1 and "the scheduler" not in words
    assert f"({other_code / 'heterodub'}) has heterodub's code " in words
    assert f"numpy 1.0 instead of {here['numpy']}" in words
    assert words.count("instead of") == 2


def test_worker_that_is_not_tagged_for_files_may_run_other_code(cluster, other_code, tmp_path):
    cluster.worker("files", resources="decode=1")
    cluster.worker("gpu", other_code, resources="gpu=1")
    await_workers(cluster, 2)
    with open_client(cluster.address, 1, tmp_path, 3) as client:
        assert list(workers_for_files(client).values()) == [1]
        (tmp_path / "marks").mkdir()
        on_every_worker(client, partial(work.leave_a_mark, str(tmp_path / "marks")))
    assert len(list((tmp_path / "marks").iterdir())) == 1


def test_worker_of_other_code_that_joins_midway_is_sent_away_unused(cluster, other_code, tmp_path, caplog):
    cluster.worker("same")
    await_workers(cluster, 1)
    with open_client(cluster.address, 1, tmp_path, 3) as client, caplog.at_level(logging.WARNING):
        collected = {}
        for number, (item, place) in enumerate(answers(client, work.where, 600, "joined")):
            collected[item] = place
            if number == 10:
                other = cluster.worker("other", other_code)
                client.wait_for_workers(2, timeout=120)
        other.wait(60)
    assert set(collected) == set(range(600))
    assert {Path(place).name for place in collected.values()} == {"same"}
    assert "sent away" in caplog.text and str(other_code) in caplog.text


def test_workers_join_and_leave_and_all_may_be_gone_for_a_while(cluster, tmp_path, caplog):
    first = cluster.worker("first")
    await_workers(cluster, 1)
    with open_client(cluster.address, 1, tmp_path, 3) as client, caplog.at_level(logging.WARNING):
        collected = []
        for number, (item, place) in enumerate(answers(client, work.where, 400, "moving")):
            collected.append((item, Path(place).name))
            if number == 100:
                leave(first)
                second = cluster.worker("second")
    assert Counter(item for item, _ in collected) == Counter(range(400))
    assert {place for _, place in collected} == {"first", "second"}
    assert second.poll() is None


def test_files_go_to_the_workers_that_are_tagged_for_them(cluster, tmp_path, monkeypatch, caplog):
    """One worker is for files, one for a GPU, one for whatever comes; without the first the work waits for another."""
    monkeypatch.setattr("heterodub.tasks.ingestion.dask_executor._LOOK_EVERY_S", 0.1)
    first = cluster.worker("first", resources="decode=1")
    cluster.worker("gpu", resources="gpu=1")
    cluster.worker("any")
    await_workers(cluster, 3)
    with open_client(cluster.address, 1, tmp_path, 3) as client, caplog.at_level(logging.WARNING):
        collected = []
        for number, (item, place) in enumerate(answers(client, work.where, 60, "tagged")):
            collected.append((item, Path(place).name))
            if number == 20:
                leave(first)
                cluster.worker("second", resources="decode=2", threads=2)
    assert Counter(item for item, _ in collected) == Counter(range(60))
    assert {place for _, place in collected} == {"first", "second"}
    assert "no Dask worker is left" in caplog.text


def test_new_worker_gets_its_share_within_seconds(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("heterodub.tasks.ingestion.dask_executor._LOOK_EVERY_S", 0.1)
    cluster.worker("first")
    await_workers(cluster, 1)
    with open_client(cluster.address, 1, tmp_path, 3) as client:
        seen, most = Counter(), Counter()
        taken = 0

        def items():
            nonlocal taken
            for number in range(2000):
                taken += 1
                yield number

        for done, (_, place) in enumerate(
            spread(client, work.where, items(), key=lambda item: f"share-{item}"), start=1
        ):
            seen[Path(place).name] += 1
            threads = sum(client.nthreads().values())
            most[threads] = max(most[threads], taken - done)
            if done == 20:
                cluster.worker("second", threads=2)
                client.wait_for_workers(2, timeout=120)
            if seen["second"] >= 100:
                break
    assert most[1] <= 4 and 4 < most[3] <= 12  # four for each thread that there is


def test_lost_scheduler_ends_the_run_with_a_clear_error(cluster, tmp_path):
    cluster.worker("only")
    await_workers(cluster, 1)
    with (
        pytest.raises(ClusterError, match=r"(?s)scheduler .* went away.*run it again"),
        open_client(cluster.address, 1, tmp_path, 3) as client,
    ):
        for item, _ in answers(client, work.where, 500, "lost"):
            if item == 50:
                cluster.scheduler.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_child_of_a_worker_ends_with_its_driver(cluster, tmp_path, how):
    cluster.worker("only")
    await_workers(cluster, 1)
    mark = tmp_path / "pid"
    words = f"from tests.tasks.ingestion.executor_work import drive; drive({cluster.address!r}, {str(mark)!r})"
    driver = subprocess.Popen([sys.executable, "-c", words], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: mark.exists() or driver.poll() is not None)
        decoder = psutil.Process(int(mark.read_text()))
        driver.send_signal(how)
        wait_until(lambda: not decoder.is_running())
    finally:
        driver.kill()
        driver.wait()


def test_settings_that_a_standing_scheduler_lacks_are_named(cluster, tmp_path, caplog):
    cluster.worker("only")
    await_workers(cluster, 1)
    with caplog.at_level(logging.WARNING), open_client(cluster.address, 1, tmp_path, 4):
        pass
    said = [record.getMessage() for record in caplog.records]
    assert any("DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION=1.0" in words for words in said)
    assert not any("ALLOWED_FAILURES" in words for words in said)  # Dask's own is three lost workers, too
    caplog.clear()
    with caplog.at_level(logging.WARNING), open_client(cluster.address, 1, tmp_path, 3):
        pass
    assert any("ALLOWED_FAILURES=2" in record.getMessage() for record in caplog.records)


def wait_until(holds) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_compared_versions_are_the_pinned_ones():
    names = ("requirements.lock", "requirements-dev.lock")  # the second has those of the extra `identity`
    lock = [line for name in names for line in (ROOT / name).read_text().splitlines()]
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lock}
    assert {name.lower() for name in LIBRARIES} <= pinned
    assert "none" not in versions_here().found.values()


@pytest.mark.timeout(120)
def test_open_client_gives_a_scheduler_that_never_greets_a_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_client, "_CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ClusterError, match="silent for 1 s"), open_client(address, 1, tmp_path, 3):
            pass


@pytest.mark.timeout(240)
def test_spread_gives_a_scheduler_that_was_stopped_a_deadline(cluster, tmp_path, monkeypatch):
    """Such as one whose machine was suspended: its connections stay open."""
    cluster.worker("only")
    await_workers(cluster, 1)
    with pytest.raises(ClusterError, match="went away"), open_client(cluster.address, 1, tmp_path, 3) as client:
        monkeypatch.setattr(dask_client, "ANSWER_S", 2)
        monkeypatch.setattr(dask_executor, "_LOOK_EVERY_S", 0.5)
        for _ in answers(client, work.double, 10_000, "stopped"):
            cluster.scheduler.send_signal(signal.SIGSTOP)
