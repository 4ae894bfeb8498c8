"""Copies of remote files on a worker's machine: what was fetched for its hash is what is worked on, and the segments of
a film share it.

Runs in the child that opens media (decoder_process.py). A copy is named by the sha256 of its bytes, so it never stands
for others; whoever works on it compares them once more. Copies may go at any time: they are fetched again.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.members import container_of
from heterodub.tasks.ingestion.child import OpenFiles
from heterodub.tasks.ingestion.decoder_process import open_files, open_times
from heterodub.tasks.media.paths import content_of, fingerprint, local_path, localise

_COPY: Final = ".copy"
_LOCK: Final = ".lock"


@dataclass(frozen=True, slots=True)
class CopyPlace:
    """A folder that the processes of a machine share, and the bytes that copies may fill there. They never take more
    than half of the room that there is without them.
    """

    folder: str
    most_bytes: int


def hash_and_keep(uri: str, origins: Sequence[str], within: str | None, place: CopyPlace | None) -> str:
    """sha256 of the bytes under a name, as content_of; a remote file stays at hand, where there is room.

    Raises: as content_of.
    """
    if place is None or _is_here(uri):
        return content_of(uri, origins, within)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder, localise(uri, Path(folder), origins) as path:
        media_id = fingerprint(path)
        _keep(path, media_id, place)
        return media_id


def open_media(
    uri: str, media_id: str, is_needed_again: bool, origins: Sequence[str], place: CopyPlace | None
) -> OpenFiles:
    """Open a file as open_files does; a remote one by its copy, if one is at hand. is_needed_again: keep it at hand.

    Raises: as open_files.
    """
    if place is None or _is_here(uri):
        return open_files([uri], False, origins)
    copy = _path(place, media_id)
    with _alone(copy):
        if (handles := _opened(copy)) is None:
            handles = _fetched(uri, media_id, is_needed_again, origins, place)
        elif not is_needed_again:
            copy.unlink(missing_ok=True)
    return OpenFiles({uri: (None, handles)})


def forget_copies(folder: Path) -> None:
    """Remove all copies of a folder. Who has one open goes on reading it."""
    for path in folder.glob(f"*{_COPY}"):
        path.unlink(missing_ok=True)


def _is_here(uri: str) -> bool:
    return local_path(container_of(uri)) is not None


def _path(place: CopyPlace, media_id: str) -> Path:
    return Path(place.folder, f"{media_id}{_COPY}")


def _opened(copy: Path) -> list[int] | None:
    try:
        handles = open_times(copy)
    except MediaRefusedError:  # not there, or taken away just now
        return None
    os.utime(handles[0], ns=(time.time_ns(), os.fstat(handles[0]).st_mtime_ns))  # read just now: the last one to go
    return handles


def _fetched(uri: str, media_id: str, is_needed_again: bool, origins: Sequence[str], place: CopyPlace) -> list[int]:
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder, localise(uri, Path(folder), origins) as path:
        handles = open_times(path)
        if is_needed_again and fingerprint(path) == media_id:
            _keep(path, media_id, place)
        return handles


def _keep(path: Path, media_id: str, place: CopyPlace) -> None:
    if _make_room(path.stat().st_size, place):
        path.replace(_path(place, media_id))


def _make_room(size_bytes: int, place: CopyPlace) -> bool:
    """Remove the copies that were not read for longest, until another one fits; return False if it does not."""
    found = [(facts.st_atime_ns, facts.st_size, path) for path, facts in _copies(place)]
    kept = sum(size for _, size, _ in found)
    most = min(place.most_bytes, (shutil.disk_usage(place.folder).free + kept + size_bytes) // 2)
    if size_bytes > most:
        return False
    for _, size, path in sorted(found):
        if kept + size_bytes <= most:
            break
        path.unlink(missing_ok=True)
        kept -= size
    return True


def _copies(place: CopyPlace) -> Iterator[tuple[Path, os.stat_result]]:
    for path in Path(place.folder).glob(f"*{_COPY}"):
        try:
            yield path, path.stat()
        except FileNotFoundError:
            continue


@contextmanager
def _alone(copy: Path) -> Iterator[None]:
    """Let one process fetch a file, and the others of this machine wait for its copy."""
    lock = copy.with_suffix(_LOCK)
    handle = os.open(lock, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)
