"""Work for the child process of isolation tests; it must be importable there, so it is a module of its own."""

import os
import sys
import time
from pathlib import Path

from heterodub.schemas.errors import MediaRefusedError, WeightsMissingError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.child import announce


def pid() -> int:
    return os.getpid()


def echo(value):
    return value


def count(most: int, pause_s: float) -> int:
    for number in range(most):
        time.sleep(pause_s)
        announce(number)
    return most


def refuse(detail: str) -> None:
    raise MediaRefusedError(FileReason.PICTURE_TOO_LARGE, detail)


def crash(signal_number: int, words: str = "") -> None:
    print(words, file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal_number)
    time.sleep(5)


def leave(code: int) -> None:
    os._exit(code)


def write_pid_and_sleep(mark: str) -> None:
    part = Path(f"{mark}.part")
    part.write_text(str(os.getpid()))
    part.rename(mark)
    time.sleep(3600)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def hog(gib: float) -> int:
    held = []
    while len(held) < gib * 64:
        held.append(bytearray(16 * 2**20))
    return len(held)


def fail(kind: type[Exception], *arguments) -> None:
    raise kind(*arguments)


def missing_weights() -> None:
    raise WeightsMissingError("weights of x are not at y")


def spool(seconds: float) -> str:
    """Leave a file under way for so long."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "half").write_bytes(b"x" * 1000)
        time.sleep(seconds)
        return folder


def lock():
    import threading

    return threading.Lock()
