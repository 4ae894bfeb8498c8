"""Work for Dask workers in the tests of fanout; importable there, so a module of its own."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.records import RawFile


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


def name_of(raw: RawFile, settings: Settings, bad: str) -> str:
    """In place of a sha256; the worker that meets the file `bad` dies."""
    if raw.uri == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"sha of {raw.uri}"


def names_of(bundle: Sequence[RawFile], settings: Settings, bad: str) -> list[str]:
    return [name_of(raw, settings, bad) for raw in bundle]


def nothing(item: object) -> None:
    """Do nothing with a file, for the backlog benchmark."""


def names_each(bundle: Sequence[RawFile], settings: Settings) -> list[str]:
    """The same with a bundle of files to identify: each is its own content."""
    return [raw.uri for raw in bundle]


def calls(dask_scheduler: Any) -> int:
    """Return the number of calls that the scheduler knows; runs there."""
    return len(dask_scheduler.tasks)
