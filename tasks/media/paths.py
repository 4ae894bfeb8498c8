"""Paths and URIs of media files. File names are data: bytes that need not be text."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes
from uuid import uuid4

from model.files import is_disk_full
from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason
from tasks.stores.remote import as_os_errors, open_store

from .granted import path_of
from .sniff import open_regular, unreadable

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
        with open_regular(path) as file:
            if within is not None and not _place_of(file.fileno(), path).is_relative_to(within):
                raise MediaRefusedError(FileReason.LINK_OUTSIDE)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(error) from error


def _place_of(handle: int, path: Path) -> Path:
    """Path of an open file, though its name may lead elsewhere by now; without /proc, the path its name leads to."""
    opened = Path(f"/proc/self/fd/{handle}")
    return opened.readlink() if opened.is_symlink() else path.resolve()


@contextmanager
def localise(uri: str, scratch: Path, origins: Sequence[str] = ()) -> Iterator[Path]:
    """A path under which the file can be opened: local files where they are, remote ones copied into `scratch`, those
    that were handed to this process as granted.py knows them.

    The copy is removed on leaving. Its name says nothing of the remote name. origins: see open_store.

    Raises: MediaRefusedError - DISK_FULL, VANISHED, UNREADABLE.
    """
    path = path_of(uri) or local_path(uri)
    if path is not None:
        yield path
        return
    copy = scratch / f"{uuid4().hex}.media"  # a name for minutes, never stored
    try:
        _fetch(uri, copy, origins)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def content_of(uri: str, origins: Sequence[str] = (), within: str | None = None) -> str:
    """sha256 of the bytes under a name, in hex; a remote file is copied for as long as that takes. within: folder that
    a local file must lie in, links followed. origins: see open_store.

    Raises: MediaRefusedError - DISK_FULL, VANISHED, UNREADABLE, LINK_OUTSIDE.
    """
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder, localise(uri, Path(folder), origins) as path:
        return fingerprint(path, within)


def disk_trouble(error: OSError) -> MediaRefusedError | None:
    """Return the refusal for a full disk or quota, None for other errors."""
    if is_disk_full(error.errno):
        return MediaRefusedError(FileReason.DISK_FULL, error.strerror or str(error))
    return None


def _fetch(uri: str, copy: Path, origins: Sequence[str]) -> None:
    try:
        with as_os_errors():
            store, path = open_store(uri, origins)
            with store.open(path, "rb") as remote, copy.open("wb") as local:
                while chunk := remote.read(_CHUNK_BYTES):
                    local.write(chunk)
    except OSError as error:
        raise (disk_trouble(error) or unreadable(error)) from error
    except (ImportError, ValueError) as error:  # of a kind that is not read, or its driver is not installed
        raise MediaRefusedError(FileReason.UNREADABLE, str(error)) from error
