"""Work spread over a real local cluster, whose workers are really killed."""

import logging
import os
import socket
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial
from threading import Event
from threading import enumerate as threads
from types import SimpleNamespace

import dask
import pytest
from distributed import Client, LocalCluster, Security

from heterodub.schemas.errors import ClusterError, MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion import dask_executor
from heterodub.tasks.ingestion.child_process import ChildProcess
from heterodub.tasks.ingestion.code_versions import versions_here
from heterodub.tasks.ingestion.dask_client import DECODE, open_client
from heterodub.tasks.ingestion.dask_executor import on_every_worker, spread

from . import child_work
from . import executor_work as work


def results(two_workers, function, items, prefix: str):
    return list(spread(two_workers, function, iter(items), key=lambda item: f"{prefix}-{item}"))


def test_every_item_comes_back_once(two_workers):
    outcome = results(two_workers, work.double, range(200), "double")
    assert Counter(item for item, _ in outcome) == Counter(range(200))
    assert all(result == 2 * item for item, result in outcome)


def test_work_on_every_worker_is_done_by_each_and_may_fail(two_workers, tmp_path):
    on_every_worker(two_workers, partial(work.leave_a_mark, str(tmp_path)))
    assert len(list(tmp_path.iterdir())) == 2
    on_every_worker(two_workers, partial(work.leave_a_mark, str(tmp_path / "nowhere")))


def test_local_cluster_refuses_clients_without_its_key(two_workers):
    address = two_workers.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    assert all(name.startswith("tls://127.0.0.1:") for name in two_workers.nthreads())
    for foreign in (address, address.replace("tls:", "tcp:")):
        security = Security.temporary() if foreign.startswith("tls") else None
        with pytest.raises(OSError), dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
            Client(foreign, timeout=1, security=security).close()


def test_empty_input_gives_no_results(two_workers):
    assert results(two_workers, work.double, [], "none") == []


def test_worker_that_is_killed_costs_nothing(two_workers, tmp_path):
    result = results(two_workers, partial(work.fatal_once, mark=str(tmp_path / "killed")), range(100), "once")
    assert (tmp_path / "killed").exists()
    assert Counter(result) == Counter((number, number) for number in range(100))


def test_killing_item_is_reported_and_others_succeed(two_workers):
    outcome = dict(results(two_workers, partial(work.fatal_at, bad=13), range(60), "fatal"))
    assert set(outcome) == set(range(60))
    lost = outcome.pop(13)
    assert isinstance(lost, MediaRefusedError)
    assert lost.reason is FileReason.WORKER_LOST
    assert all(result == number for number, result in outcome.items())


def test_spread_ends_when_the_code_of_a_local_cluster_was_changed(two_workers, monkeypatch):
    """Such as by an update of the checkout: all its workers would be sent away, and their followers."""
    changed = replace(versions_here(), found=dict(versions_here().found) | {"numpy": "1.0"})
    monkeypatch.setattr(dask_executor, "versions_here", lambda: changed)
    with pytest.raises(ClusterError, match=r"was changed while it ran .*numpy"):
        results(two_workers, work.double, range(3), "changed")


def test_watcher_that_lags_behind_leaves_the_next_task_alone(monkeypatch):
    """Its own task is over and forgotten when it looks; the thread works on another one by then."""
    is_looking, may_go_on = Event(), Event()

    def forgotten(_):
        is_looking.set()
        may_go_on.wait()

    tasks = SimpleNamespace(get=forgotten)
    worker = SimpleNamespace(get_current_task=lambda: "late", state=SimpleNamespace(tasks=tasks))
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    monkeypatch.setattr(dask_executor, "_WANTED_EVERY_S", 0.01)
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    with dask_executor._while_wanted():
        is_looking.wait()
    (watcher,) = (thread for thread in threads() if thread.name == "watch late")

    def let_it_go_on(_):
        may_go_on.set()
        watcher.join()

    with closing(ChildProcess(1.0, None)) as child:
        assert child.run(child_work.count, 2, 0.3, time_limit_s=60, on_message=let_it_go_on) == 2


def test_items_are_taken_as_they_are_needed(two_workers):
    taken = 0

    def endless():
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    answers = spread(two_workers, work.double, endless(), key=lambda item: f"lazy-{item}")
    ahead, held = [], []
    for done, _ in zip(range(1, 101), answers, strict=False):
        ahead.append(taken - done)
        held.append(two_workers.run_on_scheduler(work.calls))
    answers.close()
    assert max(ahead) <= 8  # four for each of two threads
    assert 0 < max(held) <= 10  # and those whose release is still on its way
    assert taken < 150


def test_error_of_the_work_ends_the_run(two_workers):
    with pytest.raises(ValueError, match="is wrong"):
        results(two_workers, work.wrong, range(3), "wrong")


@pytest.mark.timeout(60)
def test_unreachable_address_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"  # bound and not listening: refused at once
        with (
            pytest.raises(ClusterError, match=f"no Dask scheduler answers at {address}"),
            open_client(address, 1, tmp_path, 3),
        ):
            pass


@pytest.mark.parametrize("address", ["nonsense", "http://x", "tcp://127.0.0.1:notaport"])
def test_invalid_address_is_named(tmp_path, address):
    with pytest.raises(ClusterError, match=address), open_client(address, 1, tmp_path, 3):
        pass


@pytest.mark.timeout(60)
def test_scheduler_requiring_tls_is_reported(two_workers, tmp_path):
    address = two_workers.scheduler.address
    with (
        pytest.raises(ClusterError, match="no certificate for the Dask scheduler"),
        open_client(address, 1, tmp_path, 3),
    ):
        pass


def test_running_scheduler_is_used_and_left_running(tmp_path):
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as standing:
        for prefix in ("remote", "after"):
            with open_client(standing.scheduler_address, 1, tmp_path, 3) as client:
                assert dict(results(client, work.double, range(20), prefix)) == {n: 2 * n for n in range(20)}


def test_item_that_kills_tagged_workers_is_blamed_alone(tmp_path):
    """Dask queues nothing that asks for a resource: what waited on a worker beside it would be given up with it."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            resources={DECODE: 1},
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            local_directory=str(tmp_path),
        ) as cluster,
        open_client(cluster.scheduler_address, 1, tmp_path, 2) as client,
    ):
        outcome = dict(results(client, partial(work.fatal_at, bad=5), range(30), "tagged"))
    assert set(outcome) == set(range(30))
    assert {item for item, result in outcome.items() if isinstance(result, MediaRefusedError)} == {5}
