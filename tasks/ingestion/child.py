"""The process in which files are opened: python -c "...main()" ROOT DESCRIPTOR MEMORY_GIB. See child_process.py.

Nothing here loads more than the standard library before the sandbox is closed: threads that run would stay outside.
"""

import compileall
import contextlib
import ctypes
import os
import pickle
import resource
import signal
import socket
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heterodub.tasks.ingestion.messages import MOST_FILES, MessageChannel, packed, plain_error
from heterodub.tasks.ingestion.sandbox import enter

if TYPE_CHECKING:
    from collections.abc import Mapping

_PR_SET_PDEATHSIG = 1

OUT_OF_MEMORY_EXIT: Final = 86
"""Exit code by which the child says that an allocation failed."""

ANSWER, ERROR, NEWS = b"a", b"e", b"n"
"""First byte of what the child says: its work is done, it failed, or it goes on and has something to say."""

_NO_MEMORY = (
    "bad_alloc",
    "Insufficient memory",
    "Memory allocation",
    "Cannot allocate memory",
    "Failed to allocate",
    "failed to map segment",
)
"""Words of C++, OpenCV, OpenBLAS, the system, ONNX and the loader for it, each in an error of its own kind."""

LEAN = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""One process among many needs no threads of its own. They would not only be idle: buffers and stacks for each core,
and Arrow's reserve of a gigabyte, count towards the memory limit and on a large machine are more than it."""

_PARENTS: list[MessageChannel] = []


class OpenFiles(dict[str, tuple[str | None, list[int]]]):
    """Open files for another process, by name: the path of each, None where it has none, and its descriptors."""

    @classmethod
    def of(cls, counts: "Mapping[str, tuple[str | None, int]]", handles: list[int]) -> "OpenFiles":
        """The same from how many descriptors each has, and all of them in a row."""
        left = iter(handles)
        return cls({name: (path, list(islice(left, count))) for name, (path, count) in counts.items()})

    @property
    def handles(self) -> list[int]:
        """All descriptors in a row."""
        return [handle for _, handles in self.values() for handle in handles]

    @property
    def counts(self) -> dict[str, tuple[str | None, int]]:
        """Number of descriptors of each."""
        return {name: (path, len(handles)) for name, (path, handles) in self.items()}

    def close(self) -> None:
        """Close them all."""
        for handle in self.handles:
            os.close(handle)


def announce(news: Any) -> None:
    """In a child: say something to whoever waits for the answer. Elsewhere nobody hears it."""
    for parent in _PARENTS:
        parent.send(NEWS + packed(news))


def says_no_memory(words: str) -> bool:
    """Return True if the words of an error name a failed allocation."""
    return any(phrase in words for phrase in _NO_MEMORY)


def serve(parent: MessageChannel) -> None:
    """Answer calls until the other end is closed. A call is a pickle of a function, its arguments, and names of the
    files that come with it.
    """
    _PARENTS[:] = [parent]
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            call, files = parent.receive(files=MOST_FILES)
            answer, handed = _answer(call, files)
            with closing(handed):
                parent.send(answer, handed.handles)


def _answer(call: bytes, files: list[int]) -> tuple[bytes, OpenFiles]:
    from heterodub.tasks.media.paths import granted

    try:
        work, arguments, names = pickle.loads(call)  # from our own parent, through a socket only we two hold
        with granted(OpenFiles.of(names, files)):
            value = work(*arguments)
        if isinstance(value, OpenFiles):
            return ANSWER + packed(value.counts), value
        return ANSWER + packed(value), OpenFiles()
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT)  # after a failed allocation nothing in this process can be trusted
    except Exception as error:  # noqa: BLE001 - handed to the parent, which decides
        if says_no_memory(str(error)):
            os._exit(OUT_OF_MEMORY_EXIT)
        return ERROR + packed(plain_error(error)), OpenFiles()


def _bind_to_parent() -> None:
    """Linux: ask the kernel for SIGKILL when the parent ends, however it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(memory_gib: float) -> None:
    size = int(memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Be the child: close the sandbox that the first message describes, if it does, then answer calls."""
    root, descriptor, memory_gib = sys.argv[1:]
    _bind_to_parent()
    for name, value in LEAN.items():
        os.environ.setdefault(name, value)  # before any library is loaded
    _limit(float(memory_gib))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    parent = MessageChannel(socket.socket(fileno=int(descriptor)))
    sandbox = pickle.loads(parent.receive()[0])
    if sandbox is not None:
        for package in ("schemas", "model", "tasks"):  # of a checkout; inside nothing can be kept
            compileall.compile_dir(Path(root, "heterodub", package), quiet=2, workers=1)
        enter(sandbox)
    serve(parent)
