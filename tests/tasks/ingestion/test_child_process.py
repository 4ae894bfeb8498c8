"""The child process: what it returns, how it dies, and that a death costs one call. Real processes, real signals."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from heterodub.schemas.errors import MediaRefusedError, WeightsMissingError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.child_process import ChildProcess
from heterodub.tasks.ingestion.sandbox import Sandbox
from tests.tasks.ingestion import child_work

LIMIT_S = 60.0
TESTS = Sandbox(reads=(str(Path(__file__).parents[2]),))


@pytest.fixture(scope="module")
def child():
    """One for all tests: a process that a test ends is replaced by the next call. It finds this test's own module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        isolated = ChildProcess(1.0, TESTS)
        yield isolated
        isolated.close()


@pytest.fixture
def unstarted(child):
    """The same without a process yet."""
    child.close()
    return child


def call(child: ChildProcess, work, *arguments, time_limit_s: float = LIMIT_S):
    return child.run(work, *arguments, time_limit_s=time_limit_s)


def refusal(child: ChildProcess, work, *arguments, time_limit_s: float = LIMIT_S) -> MediaRefusedError:
    with pytest.raises(MediaRefusedError) as error:
        call(child, work, *arguments, time_limit_s=time_limit_s)
    return error.value


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_values_come_back_from_another_process_that_is_kept(child):
    first = call(child, child_work.pid)
    assert first != os.getpid()
    assert call(child, child_work.pid) == first
    big = np.random.default_rng(0).standard_normal(2_000_000)
    assert call(child, child_work.echo, big.tobytes()) == big.tobytes()


def test_news_is_messages_while_it_works_and_each_gives_it_more_time(child):
    heard = []
    call(child, child_work.pid)  # it is started
    assert child.run(child_work.count, 5, 0.5, time_limit_s=1.5, on_message=heard.append) == 5
    assert heard == [0, 1, 2, 3, 4]
    assert call(child, child_work.count, 2, 0) == 2  # nobody listens


def test_progress_listener_sets_the_remaining_time(child):
    call(child, child_work.pid)
    assert child.run(child_work.count, 2, 0.5, time_limit_s=60, on_message=lambda number: 30.0) == 2
    with pytest.raises(MediaRefusedError) as error:
        child.run(child_work.count, 2, 0.5, time_limit_s=60, on_message=lambda number: 0.1)
    assert (error.value.reason, error.value.detail) == (FileReason.TIMED_OUT, "longer than 0 s")


def test_pending_messages_are_not_taken_for_the_next_answer(child):
    def fail(number):
        raise KeyError("of the listener")

    with pytest.raises(KeyError):
        child.run(child_work.count, 3, 0.0, time_limit_s=60, on_message=fail)
    assert call(child, child_work.echo, "next") == "next"


def test_environment_variables_are_set_in_the_child_only(child):
    other = ChildProcess(1.0, TESTS, {"HETERODUB_TEST": "seen"})
    try:
        assert (call(other, os.getenv, "HETERODUB_TEST"), os.getenv("HETERODUB_TEST")) == ("seen", None)
    finally:
        other.close()


def test_refusal_arrives_unchanged_and_the_child_survives(child):
    before = call(child, child_work.pid)
    result = refusal(child, child_work.refuse, "99999 x 99999")
    assert (result.reason, result.detail) == (FileReason.PICTURE_TOO_LARGE, "99999 x 99999")
    assert call(child, child_work.pid) == before


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE])
def test_crash_is_named_by_its_signal_and_costs_one_call(child, number):
    before = call(child, child_work.pid)
    result = refusal(child, child_work.crash, int(number), "last words of a decoder")
    assert result.reason is FileReason.DECODER_CRASHED
    assert signal.Signals(number).name in result.detail
    assert "last words of a decoder" in result.detail
    assert call(child, child_work.pid) != before
    assert not alive(before)


def test_crash_output_is_the_bounded_tail(child):
    result = refusal(child, child_work.crash, int(signal.SIGSEGV), "x" * 100_000 + " the end")
    assert result.detail.endswith("the end")
    assert len(result.detail) < 400


def test_exit_is_named_by_its_code(child):
    result = refusal(child, child_work.leave, 7)
    assert result.reason is FileReason.DECODER_CRASHED
    assert "exit code 7" in result.detail


def test_sigkill_is_reported_as_out_of_memory(child):
    assert refusal(child, child_work.crash, int(signal.SIGKILL)).reason is FileReason.OUT_OF_MEMORY


def test_work_beyond_its_time_is_killed_and_the_next_call_has_a_new_child(child):
    before = call(child, child_work.pid)
    result = refusal(child, child_work.sleep, 600, time_limit_s=0.3)
    assert result.reason is FileReason.TIMED_OUT
    assert not alive(before)
    assert call(child, child_work.pid) != before


def test_memory_limit_is_enforced(child):
    assert call(child, child_work.hog, 0.25) == 16
    result = refusal(child, child_work.hog, 4)
    assert result.reason is FileReason.OUT_OF_MEMORY
    assert "1 GiB" in result.detail
    assert call(child, child_work.echo, 5) == 5


def test_error_keeps_its_name_and_text(child):
    with pytest.raises(RuntimeError, match=r"ValueError: 7 is no shape"):
        call(child, child_work.fail, ValueError, "7 is no shape")
    with pytest.raises(OSError, match="No space") as error:
        call(child, child_work.fail, OSError, errno.ENOSPC, "No space left on device", "/full")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, "/full")


def test_run_errors_are_not_file_errors(child):
    with pytest.raises(WeightsMissingError, match="weights of x are not at y"):
        call(child, child_work.missing_weights)


def test_unpicklable_result_does_not_hang(child):
    with pytest.raises(RuntimeError, match="lock has no plain form"):
        call(child, child_work.lock)
    assert call(child, child_work.echo, 1) == 1


def test_child_that_died_between_calls_is_replaced(child):
    first = call(child, child_work.pid)
    os.kill(first, signal.SIGKILL)
    while alive(first):
        time.sleep(0.01)
    assert call(child, child_work.pid) != first


def test_preparation_runs_first_and_its_result_is_dropped(unstarted):
    unstarted.prepare(child_work.echo, "unheard")
    unstarted.prepare(child_work.leave, 1)  # there is a child already
    assert call(unstarted, child_work.echo, 1) == 1
    assert call(unstarted, child_work.echo, 2) == 2


@pytest.mark.parametrize("arguments", [(child_work.refuse, "x"), (child_work.fail, ValueError, "x")])
def test_preparation_that_fails_is_no_file_s_fault(unstarted, arguments):
    unstarted.prepare(*arguments)
    assert call(unstarted, child_work.echo, 1) == 1


def test_preparation_that_hangs_does_not_hang_the_run(unstarted):
    unstarted.prepare(child_work.sleep, 600)
    assert refusal(unstarted, child_work.echo, 1, time_limit_s=0.3).reason is FileReason.TIMED_OUT
    assert call(unstarted, child_work.echo, 1) == 1


def test_files_of_a_killed_child_are_removed(unstarted, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert call(unstarted, child_work.spool, 0).startswith(str(tmp_path))
    assert refusal(unstarted, child_work.spool, 600, time_limit_s=1).reason is FileReason.TIMED_OUT
    assert list(tmp_path.iterdir()) == []


def test_child_ignores_ctrl_c(child):
    first = call(child, child_work.pid)
    os.kill(first, signal.SIGINT)
    assert call(child, child_work.pid) == first


def test_child_ends_with_a_parent_that_is_killed(child):
    script = (
        "import sys, time\n"
        "from tests.tasks.ingestion import child_work\n"
        "from heterodub.tasks.ingestion.child_process import ChildProcess\n"
        "print(ChildProcess(1.0, None).run(child_work.pid, time_limit_s=60), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        grandchild = int(parent.stdout.readline())
        assert alive(grandchild)
        parent.kill()
    for _ in range(500):
        if not alive(grandchild):
            return
        time.sleep(0.01)
    pytest.fail("the child outlived its parent")


def test_closing_ends_the_child_and_may_be_done_twice(child):
    first = call(child, child_work.pid)
    child.close()
    child.close()
    assert not alive(first)


def test_many_calls_and_crashes_leak_nothing(child):
    call(child, child_work.echo, 0)
    files, processes = len(os.listdir("/proc/self/fd")), _children()
    for number in range(50):
        call(child, child_work.echo, number)
        if number % 17 == 0:
            refusal(child, child_work.leave, 1)
            call(child, child_work.echo, number)
    assert len(os.listdir("/proc/self/fd")) == files
    assert len(_children()) == len(processes)


def _children() -> list[str]:
    return [task for task in Path("/proc/self/task/").glob("*/children") for task in task.read_text().split()]
