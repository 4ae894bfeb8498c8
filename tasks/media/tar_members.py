"""Reading of tar archives of strangers: a header at a time, from any place, with every size checked before it is used.

Python's tarfile reads a long name of whatever size a header claims into memory, and cannot begin in the middle.
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason

_BLOCK: Final = tarfile.BLOCKSIZE
_CHUNK_BYTES: Final = 1 << 20
_EXTENSION_BYTES: Final = 1 << 20
"""Long names and pax headers are refused above this."""

_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _SPARSE = b"L", b"K", b"x", b"g", b"S"
_OLD_PAX: Final = b"X"  # Solaris'


class DamagedTarError(ValueError):
    """An archive that cannot be read beyond some place."""


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A member. offset: byte at which its headers begin; data_offset: its first byte; kind: its type, one byte."""

    name: str
    offset: int
    data_offset: int
    size: int
    kind: bytes

    @property
    def is_file(self) -> bool:
        """True of a regular file."""
        return self.kind in tarfile.REGULAR_TYPES

    @property
    def is_folder(self) -> bool:
        """True of a folder, which old archives mark by the end of its name."""
        return self.kind == tarfile.DIRTYPE

    @property
    def is_link(self) -> bool:
        """True of symbolic and hard links."""
        return self.kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)


def read_entries(file: BinaryIO, offset: int = 0) -> Iterator[TarEntry]:
    """Yield the members from a byte on at which headers begin; their data are passed over.

    Raises: DamagedTarError - it is no tar, is cut short, or holds what is not read. OSError - the file cannot be read.
    """
    start, changes, end = offset, dict[str, str](), file.seek(0, io.SEEK_END)
    while (header := _header(file, offset, end)) is not None:
        data = offset + _BLOCK
        if header.type in (_LONG_NAME, _PAX, _OLD_PAX):
            changes |= _extension(file, data, header)
            offset = data + _padded(header.size)
            continue
        if header.type in (_LONG_LINK, _PAX_GLOBAL):
            offset = data + _padded(header.size)
            continue
        if header.type == _SPARSE or any(name.startswith("GNU.sparse") for name in changes):
            raise DamagedTarError(f"a sparse member at byte {start}; those are not read")
        size = _size(changes.get("size"), header.size)
        yield TarEntry(changes.get("path", header.name), start, data, size, header.type)
        has_data = header.isreg() or header.type not in tarfile.SUPPORTED_TYPES
        offset = start = data + (_padded(size) if has_data else 0)
        changes = {}


def _header(file: BinaryIO, offset: int, end: int) -> tarfile.TarInfo | None:
    """Return the header at a byte; None at the archive's closing blocks."""
    file.seek(min(offset, end))  # a claimed size may lead to where no file system seeks
    block = file.read(_BLOCK)
    if not block:
        raise DamagedTarError(f"it ends at byte {offset} without the blocks that close an archive")
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        if len(block) == _BLOCK and not any(block):
            return None
        raise DamagedTarError(f"no header of a tar at byte {offset}: {error}") from error
    if header.size < 0:
        raise DamagedTarError(f"a negative size at byte {offset}")
    return header


def _extension(file: BinaryIO, data: int, header: tarfile.TarInfo) -> dict[str, str]:
    """Return what a header of long names or of pax says of the member behind it."""
    if header.size > _EXTENSION_BYTES:
        raise DamagedTarError(f"a header of {header.size} bytes before byte {data}")
    file.seek(data)
    content = file.read(header.size)
    if len(content) < header.size:
        raise DamagedTarError("it ends inside of a header")
    if header.type == _LONG_NAME:
        return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    return dict(_pax_records(content))


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(content) and content[at]:
        digits = content[at : at + 12].split(b" ", 1)[0]
        length = int(digits) if digits.isdigit() else 0
        name, equals, value = content[at + len(digits) + 1 : at + length - 1].partition(b"=")
        if not equals or at + length > len(content):
            raise DamagedTarError("a pax header that cannot be read")
        yield name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
        at += length


def _size(stated: str | None, of_header: int) -> int:
    if stated is None:
        return of_header
    if not (stated.isascii() and stated.isdigit() and len(stated) < 19):
        raise DamagedTarError(f"a size of {stated[:20]!r}")
    return int(stated)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def read_entry(file: BinaryIO, entry: TarEntry, most_bytes: int) -> bytes:
    """Return a member's bytes.

    Raises: DamagedTarError - it is larger, or cut short. OSError - the file cannot be read.
    """
    if entry.size > most_bytes:
        raise DamagedTarError(f"{entry.size} bytes, more than {most_bytes}")
    file.seek(entry.data_offset)
    data = file.read(entry.size)
    if len(data) < entry.size:
        raise DamagedTarError("it is cut short")
    return data


def has_entry(file: BinaryIO, offset: int, name: str) -> bool:
    """Return True if the member that begins at a byte has this name. Raises: OSError - the file cannot be read."""
    try:
        entry = next(read_entries(file, offset), None)
    except DamagedTarError:
        return False
    return entry is not None and entry.is_file and entry.name == name


def copy_entry(file: BinaryIO, offset: int, name: str, target: io.BufferedIOBase) -> None:
    """Copy the bytes of the member that begins at a byte.

    Raises: MediaRefusedError - CHANGED: it is not there any more. OSError - of reading or writing.
    """
    if not has_entry(file, offset, name):
        raise MediaRefusedError(FileReason.CHANGED, "the archive was written anew: another member lies at its place")
    entry = next(read_entries(file, offset))
    file.seek(entry.data_offset)
    left = entry.size
    while left:
        chunk = file.read(min(left, _CHUNK_BYTES))
        if not chunk:
            raise MediaRefusedError(FileReason.CHANGED, "the archive ends inside of it")
        target.write(chunk)
        left -= len(chunk)
