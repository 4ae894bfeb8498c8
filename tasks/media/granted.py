"""Files that a process was handed open, because it may not open them itself; see tasks/sandbox/.

A file is handed over several times, opened anew each time, so that each reader has a place in it of its own.
"""

import errno
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

TIMES: Final = 12
"""How often a file is handed over: as many readers may be at work on it at once."""

_PATHS: dict[str, Path] = {}
_FREE: dict[str, list[int]] = {}


@contextmanager
def granted(files: Mapping[str, tuple[str | None, Sequence[int]]]) -> Iterator[None]:
    """Have files at hand while the block lasts, by the names that others know them by; each with its path, None where
    it has none, and its descriptors, which are closed at the end.
    """
    for name, (path, handles) in files.items():
        _PATHS[name] = Path(path or f"/proc/self/fd/{handles[0]}")
        _FREE[_key(_PATHS[name])] = list(handles)
    try:
        yield
    finally:
        _PATHS.clear()
        _FREE.clear()
        for handle in (handle for _, handles in files.values() for handle in handles):
            os.close(handle)


def path_of(name: str) -> Path | None:
    """The path under which a file that was handed over is known here; None for any other."""
    return _PATHS.get(name)


@contextmanager
def borrowed(path: Path) -> Iterator[int | None]:
    """A descriptor of a file that was handed over, at its beginning; None for any other file.

    Raises: OSError - too many are in use.
    """
    free = _FREE.get(_key(path))
    if free is None:
        yield None
        return
    handle = _taken(free)
    try:
        yield handle
    finally:
        free.append(handle)


def opened(path: Path) -> io.BufferedReader | None:
    """A file that was handed over, to read from its beginning; None for any other file.

    Raises: OSError - too many are in use.
    """
    free = _FREE.get(_key(path))
    return None if free is None else io.BufferedReader(_Borrowed(free))


class _Borrowed(io.FileIO):
    def __init__(self, free: list[int]) -> None:
        self._free: list[int] | None = free
        super().__init__(_taken(free), "rb", closefd=False)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._free is not None:
            self._free.append(self.fileno())
            self._free = None
        super().close()


def open_to_write(path: Path) -> io.BufferedWriter:
    """A file to write from its beginning: one that was handed over open, else whatever there is under the path.

    Raises: OSError - it cannot be written.
    """
    free = _FREE.get(_key(path))
    if free is None:
        return path.open("wb")
    return io.BufferedWriter(io.FileIO(os.dup(_taken(free)), "wb"))


def _key(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links


def _taken(free: list[int]) -> int:
    if not free:
        raise OSError(errno.EMFILE, f"a file is read in more than {TIMES} places at once")
    handle = free.pop()
    os.lseek(handle, 0, os.SEEK_SET)
    return handle
