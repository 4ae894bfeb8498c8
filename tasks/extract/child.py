"""The process in which files are opened: `python -m tasks.extract.child FD MEMORY_GIB`. See isolation.py."""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from schemas.errors import HeterodubError, MediaRefusedError
from tasks.extract.isolation import OUT_OF_MEMORY_EXIT, answer_to, says_no_memory

_PR_SET_PDEATHSIG = 1

LEAN = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""One process among many needs no threads of its own. They would not only be idle: buffers and stacks for each core,
and Arrow's reserve of a gigabyte, count towards the memory limit and on a large machine are more than it."""


def serve(pipe: Connection) -> None:
    """Answer calls until the other end is closed. A call is (function, arguments); an answer (failed, value)."""
    answer_to(pipe)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            pipe.send(_answer(pipe.recv_bytes()))


def _answer(call: bytes) -> tuple[bool, Any]:
    try:
        work, arguments = pickle.loads(call)  # from our own parent, through a socket only we two hold
        return False, work(*arguments)
    except (MediaRefusedError, HeterodubError) as told:
        return True, told
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT)  # after a failed allocation nothing in this process can be trusted
    except Exception as error:  # noqa: BLE001 - handed to the parent, which decides
        if says_no_memory(str(error)):
            os._exit(OUT_OF_MEMORY_EXIT)
        return True, _portable(error)


def _portable(error: Exception) -> Exception:
    """An error that survives the pipe and says the same; what ends the run keeps its kind."""
    if isinstance(error, HeterodubError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, error.strerror, error.filename)
    return RuntimeError(f"{type(error).__name__}: {error}")


def _bind_to_parent() -> None:
    """Linux: ask the kernel for SIGKILL when the parent ends, however it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(memory_gib: float) -> None:
    size = int(memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _bind_to_parent()
    for name, value in LEAN.items():
        os.environ.setdefault(name, value)  # before any library is loaded
    _limit(float(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    serve(Connection(int(sys.argv[1])))
