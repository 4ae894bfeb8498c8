"""Work for Dask workers in the tests of fanout; importable there, so a module of its own."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.child_process import ChildProcess, FunctionName
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.ingestion.job import FileJob, Identification
from heterodub.tasks.ingestion.worker import FileResult, Task, TaskResult


def double(number: int) -> int:
    return 2 * number


def slowly(number: int) -> int:
    time.sleep(0.02)
    return number


def fatal_at(number: int, bad: int) -> int:
    if number == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fatal_once(number: int, mark: str) -> int:
    """The first worker that gets to number 20 dies."""
    if number == 20 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wrong(number: int) -> int:
    raise ValueError(f"{number} is wrong")


def where(number: int) -> str:
    """The folder that the worker works in."""
    time.sleep(0.005)
    return os.getcwd()


def leave_a_mark(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()


def names_of(task: Identification, bad: str) -> list[str]:
    """In place of a sha256 each; the worker that meets the file `bad` dies."""
    if bad in {raw.uri for raw in task.files}:
        os.kill(os.getpid(), signal.SIGKILL)
    return [f"sha of {raw.uri}" for raw in task.files]


def nothing(task: Task) -> TaskResult:
    """Do nothing with a task, for the backlog benchmark: each file is a content of its own, and none can be used."""
    if isinstance(task, Identification):
        return [raw.uri for raw in task.files]
    assert isinstance(task, FileJob)
    return FileResult(task, None, MediaRefusedError(FileReason.NO_FACE))


def decode_for_ever(number: int, mark: str) -> None:
    """Work in a child that does not end, and whose number is written down."""
    child = ChildProcess(1.0, None)
    child.run(FunctionName("tests.tasks.ingestion.child_work:write_pid_and_sleep"), mark, time_limit_s=3600)


def drive(address: str, mark: str) -> None:
    """Be the driver of one call that does not end."""
    with open_client(address, 1, Path(mark).parent, 3) as client:
        list(spread(client, partial(decode_for_ever, mark=mark), iter([0]), key=str))


def calls(dask_scheduler: Any) -> int:
    """Return the number of calls that the scheduler knows; runs there."""
    return len(dask_scheduler.tasks)
