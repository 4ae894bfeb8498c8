"""Paths and URIs of media files, and the opening of their bytes. File names are data: bytes that need not be text.

A sandboxed process may open no files itself (see tasks/ingestion/sandbox.py): it is handed them open. A file is handed
over several times, opened anew each time, so that each reader has a place in it of its own.
"""

import errno
import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

from heterodub.model.files import is_disk_full
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.members import Member, member_of
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media import parquet_cells, tar_members
from heterodub.tasks.stores.remote import as_os_errors, open_store

TIMES: Final = 12
"""Times that a file is handed over: as many readers may be at work on it at once."""

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
    with opened(path) or nullcontext() as file:
        yield None if file is None else file.fileno()


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


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file to read it, without blocking for ever on a pipe with the name of a video.

    Raises: MediaRefusedError - NOT_A_REGULAR_FILE. OSError - it cannot be opened.
    """
    if (handed := opened(path)) is not None:
        return handed
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise MediaRefusedError(FileReason.NOT_A_REGULAR_FILE, stat.filemode(mode))


def unreadable(error: OSError) -> MediaRefusedError:
    """Return the refusal for a file that the system would not let us read."""
    vanished = isinstance(error, FileNotFoundError | NotADirectoryError)
    reason = FileReason.VANISHED if vanished else FileReason.UNREADABLE
    return MediaRefusedError(reason, error.strerror or str(error))


_FILE: Final = "file://"
_CHUNK_BYTES: Final = 1024 * 1024


def path_to_uri(path: bytes | Path) -> str:
    """Name under which a local file is stored: its absolute path, or file:// with percent codes if not UTF-8.

    Two different paths never share a name, and `local_path` gives the path back.
    """
    raw = os.path.abspath(os.fsencode(path))  # noqa: PTH100 - pathlib has no bytes, and resolve() follows links
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return _FILE + quote(raw)


def local_path(uri: str) -> Path | None:
    """Path behind a name from `path_to_uri`, or None when the uri is remote.

    Raises: ValueError - a relative path.
    """
    if uri.startswith("/"):
        return Path(uri)
    if uri.startswith(_FILE):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(_FILE))))
    if "://" not in uri:
        raise ValueError(f"{uri!r} is neither an absolute path nor a URI")
    return None


def fingerprint(path: Path, within: str | None = None) -> str:
    """sha256 of a file's bytes, in hex; memory stays small. within: folder that the file must lie in, links followed.

    Raises: MediaRefusedError - VANISHED, UNREADABLE, LINK_OUTSIDE.
    """
    try:
        with _open_within(path, within) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(error) from error


def _open_within(path: Path, within: str | None) -> io.BufferedReader:
    """Open a file that must lie in a folder, links followed. Raises: MediaRefusedError - LINK_OUTSIDE. OSError."""
    file = open_regular(path)
    if within is not None and not _place_of(file.fileno(), path).is_relative_to(within):
        file.close()
        raise MediaRefusedError(FileReason.LINK_OUTSIDE)
    return file


def _place_of(handle: int, path: Path) -> Path:
    """Path of an open file, though its name may lead elsewhere by now; without /proc, the path its name leads to."""
    opened = Path(f"/proc/self/fd/{handle}")
    return opened.readlink() if opened.is_symlink() else path.resolve()


@contextmanager
def localise(uri: str, scratch: Path, origins: Sequence[str] = (), within: str | None = None) -> Iterator[Path]:
    """A path under which the file can be opened: local files where they are, remote ones and members of archives copied
    into `scratch`, those that were handed to this process under the paths they have here.

    The copy is removed on leaving. Its name says nothing of the remote name. origins: see open_store. within: folder
    that a local archive must lie in, links followed.

    Raises: MediaRefusedError - DISK_FULL, VANISHED, UNREADABLE, CHANGED, LINK_OUTSIDE.
    """
    path = path_of(uri) or local_path(uri)
    if path is not None:
        yield path
        return
    copy = scratch / f"{uuid4().hex}.media"  # a name for minutes, never stored
    try:
        _fetch(uri, copy, origins, within)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def content_of(uri: str, origins: Sequence[str] = (), within: str | None = None) -> str:
    """sha256 of the bytes under a name, in hex; a remote file or a member is copied for as long as that takes. within:
    folder that a local file, or the archive around it, must lie in, links followed. origins: see open_store.

    Raises: MediaRefusedError - DISK_FULL, VANISHED, UNREADABLE, CHANGED, LINK_OUTSIDE.
    """
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as folder,
        localise(uri, Path(folder), origins, within) as path,
    ):
        return fingerprint(path, within if member_of(uri) is None else None)


def disk_trouble(error: OSError) -> MediaRefusedError | None:
    """Return the refusal for a full disk or quota, None for other errors."""
    if is_disk_full(error.errno):
        return MediaRefusedError(FileReason.DISK_FULL, error.strerror or str(error))
    return None


@contextmanager
def open_bytes(
    uri: str, origins: Sequence[str] = (), within: str | None = None, ahead_bytes: int | None = None
) -> Iterator[BinaryIO]:
    """A file, here or in a store, to read from any place. origins: see open_store. within: folder that a local one must
    lie in, links followed. ahead_bytes: to read ahead of a remote one; None: megabytes, as for a file that is read
    through.

    Raises: MediaRefusedError - LINK_OUTSIDE, NOT_A_REGULAR_FILE. OSError, ImportError, ValueError - it cannot be opened
    or, inside the block, read.
    """
    path = local_path(uri)
    if path is not None:
        with _open_within(path, within) as local:
            yield local
        return
    with as_os_errors():
        store, place = open_store(uri, origins)
        with store.open(place, "rb", **({} if ahead_bytes is None else {"block_size": ahead_bytes})) as remote:
            yield remote


def _fetch(uri: str, copy: Path, origins: Sequence[str], within: str | None) -> None:
    member = member_of(uri)
    try:
        with open_bytes(uri if member is None else member.container, origins, within) as source, copy.open("wb") as out:
            if member is None:
                shutil.copyfileobj(source, out, _CHUNK_BYTES)
            else:
                _copy_member(member, source, out)
    except OSError as error:
        raise (disk_trouble(error) or unreadable(error)) from error
    except (ImportError, ValueError) as error:  # of a kind that is not read, or its driver is not installed
        raise MediaRefusedError(FileReason.UNREADABLE, str(error)) from error


def _copy_member(member: Member, source: BinaryIO, out: io.BufferedWriter) -> None:
    if member.kind == "tar":
        tar_members.copy_entry(source, member.place, member.name, out)
    else:
        parquet_cells.copy_cell(source, member.place, member.column, out)


def holds(member: Member, origins: Sequence[str] = ()) -> bool:
    """Return True if a member is where its address says. Raises: as open_bytes."""
    with open_bytes(member.container, origins) as source:
        if member.kind == "tar":
            return tar_members.has_entry(source, member.place, member.name)
        return parquet_cells.has_cell(source, member.place, member.column)


def change_stamp(path: Path, is_copy: bool) -> tuple[int, ...]:
    """Stamp of a file: every write to it, and every file put in its place, changes a part of it. is_copy: it is ours,
    and may be renamed or removed meanwhile (copies.py); nobody sets back its time.

    Raises: MediaRefusedError - VANISHED, UNREADABLE.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise unreadable(error) from error
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, 0 if is_copy else facts.st_ctime_ns
