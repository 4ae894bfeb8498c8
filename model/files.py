"""Files written atomically: complete under their name, or as they were before."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_END: Final = ".partial"


@contextmanager
def atomic_path(out: Path) -> Iterator[Path]:
    """Provide a name beside `out` to write under; it is synced to the disk and becomes `out` when the block ends well,
    else it is removed. The folder is made where it is missing. Own code: nothing
    in the lock also removes what killed writers left.

    Raises: OSError - the folder cannot be written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    clear_partials(out)
    partial = out.with_name(f"{_beginning(out)}{os.getpid()}{_END}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(out: Path, data: str | bytes) -> None:
    """Write a file atomically; text as UTF-8. Raises: OSError - it cannot be written."""
    with atomic_path(out) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)


def copy_untrusted(source: Path, out: Path) -> None:
    """Copy a file that a child has made to where it belongs, atomically.

    Raises: OSError - it is no plain file: a video may have taken the child over; or it cannot be written.
    """
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as reader:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(source))
        with atomic_path(out) as partial, partial.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 8 << 20)


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """Provide a folder, whose files go when the block ends."""
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            with suppress(OSError):  # what is no file goes with the folder
                path.unlink()


def clear_partials(out: Path) -> None:
    """Remove partial files beside `out` whose process has ended: a killed process could not."""
    beginning = _beginning(out)
    for path in out.parent.iterdir() if out.parent.is_dir() else ():
        writer = path.name.removeprefix(beginning).removesuffix(_END)
        if path.name == f"{beginning}{writer}{_END}" and writer.isdecimal() and not _runs(int(writer)):
            path.unlink(missing_ok=True)


def is_disk_full(code: int | None) -> bool:
    """Return True if an error number says that the disk, the quota or the limit on file sizes is reached."""
    return code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _beginning(out: Path) -> str:
    return f".{out.name[:200]}."


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
