"""Detect what a file is by its first bytes, never by its name, before any decoder opens it.

Files are hostile: a playlist named clip.mp4 would make ffmpeg open whatever it names, so everything that points at
other files is refused here, and only containers that cannot do so are let through.
"""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason

from .paths import open_regular, unreadable
from .signatures import ELSEWHERE_TEXT, ISO_STILL_BRANDS, PREFIXES, RIFF_KINDS

HEAD_BYTES: Final = 64 * 1024
"""Bytes that are read of a file, GIFs aside."""

GIF_WALK_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a GIF that are searched for its second picture; one that has it further away counts as an animation."""

_ISO_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_TS_PACKETS: Final = ((188, 0), (192, 4), (204, 0))
_SYNC_WORDS: Final = 3


class Container(StrEnum):
    """Containers that are opened."""

    MP4 = "mp4"
    MATROSKA = "matroska"
    AVI = "avi"
    MPEG = "mpeg"
    GIF = "gif"


def sniff(path: Path) -> Container:
    """Detect the container of a file by content; reads at most HEAD_BYTES (GIF: GIF_WALK_BYTES).

    Raises: MediaRefusedError - EMPTY_FILE, POINTS_ELSEWHERE, STILL_PICTURE, UNSUPPORTED_CONTAINER, NOT_MEDIA, or the
    file cannot be read: VANISHED, UNREADABLE, NOT_A_REGULAR_FILE.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            return _container(file, file.read(HEAD_BYTES), size)
    except OSError as error:
        raise unreadable(error) from error


def is_program_stream(head: bytes) -> bool:
    """Return True if MPEG bytes begin with a pack header (program stream), not a sequence header (bare video)."""
    return head.lstrip(b"\0").startswith(b"\x01\xba")


def _container(file: BinaryIO, head: bytes, size: int) -> Container:
    if not head:
        raise MediaRefusedError(FileReason.EMPTY_FILE)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return _gif(file)
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _matroska(head)
    if head.startswith(b"RIFF"):
        return _riff(head)
    if head[4:8] in _ISO_BOXES and _plausible_box(head, size):
        return _iso(head)
    if re.match(rb"\0\0+\x01[\xba\xb3]", head):
        return Container.MPEG
    _refuse_known(head)
    _refuse_text(head)
    raise MediaRefusedError(FileReason.NOT_MEDIA, f"begins with {head[:8].hex(' ')}")


def _gif(file: BinaryIO) -> Container:
    file.seek(0)
    if _gif_pictures(file.read(GIF_WALK_BYTES)) == 1:
        raise MediaRefusedError(FileReason.STILL_PICTURE, "GIF of one picture")
    return Container.GIF


def _gif_pictures(data: bytes) -> int:
    """Pictures in the part of a GIF that was read: 0, 1, or 2 for more than one."""
    flags = data[10] if len(data) > 10 else 0
    at, pictures = 13 + _colour_table_bytes(flags), 0
    while at < len(data):
        if data[at] == 0x2C and at + 9 < len(data):
            pictures += 1
            at += 11 + _colour_table_bytes(data[at + 9])
        elif data[at] == 0x21:
            at += 2
        else:
            break
        if pictures == 2:
            break
        at = _past_sub_blocks(data, at)
    else:
        pictures = 2 if len(data) == GIF_WALK_BYTES else pictures
    return pictures


def _colour_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _past_sub_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _matroska(head: bytes) -> Container:
    if match := re.search(rb"\x42\x82[\x80-\xff]([a-z]+)", head[:4096]):
        kind = match[1]
        if kind.startswith((b"matroska", b"webm")):
            return Container.MATROSKA
        raise MediaRefusedError(FileReason.UNSUPPORTED_CONTAINER, f"EBML of type {kind.decode()}")
    raise MediaRefusedError(FileReason.UNSUPPORTED_CONTAINER, "EBML without a type")


def _riff(head: bytes) -> Container:
    kind = head[8:12]
    if kind in (b"AVI ", b"AVIX"):
        return Container.AVI
    if kind == b"WEBP" and b"ANIM" not in head[12:64]:
        raise MediaRefusedError(FileReason.STILL_PICTURE, "WebP")
    if name := RIFF_KINDS.get(kind):
        raise MediaRefusedError(FileReason.UNSUPPORTED_CONTAINER, name)
    raise MediaRefusedError(FileReason.NOT_MEDIA, f"RIFF of kind {kind!r}")


def _plausible_box(head: bytes, size: int) -> bool:
    """Return True if a box has a possible length; words such as "skip" may stand at the fifth letter of a text."""
    box_bytes = int.from_bytes(head[:4], "big")
    if head[4:8] in (b"ftyp", b"mdat", b"moov"):
        return box_bytes <= 1 or 8 <= box_bytes < 0x20202020 or box_bytes <= size
    return 8 <= box_bytes <= size


def _iso(head: bytes) -> Container:
    brand = head[8:12]
    if head[4:8] != b"ftyp" or brand not in ISO_STILL_BRANDS:
        return Container.MP4
    name, still = ISO_STILL_BRANDS[brand]
    raise MediaRefusedError(FileReason.STILL_PICTURE if still else FileReason.UNSUPPORTED_CONTAINER, name)


def _refuse_known(head: bytes) -> None:
    for prefix, reason, name in PREFIXES:
        if re.match(prefix, head, re.DOTALL):
            raise MediaRefusedError(reason, name)
    for packet, start in _TS_PACKETS:
        places = range(start, start + _SYNC_WORDS * packet, packet)
        if len(head) > places[-1] and all(head[at] == 0x47 for at in places):
            raise MediaRefusedError(FileReason.UNSUPPORTED_CONTAINER, "MPEG transport stream")


def _refuse_text(head: bytes) -> None:
    text = _as_text(head)
    if text is None:
        return
    for pattern, name in ELSEWHERE_TEXT:
        if re.search(pattern, text):
            raise MediaRefusedError(FileReason.POINTS_ELSEWHERE, name)
    if re.search(r"(?i)<svg[\s>]", text):
        raise MediaRefusedError(FileReason.STILL_PICTURE, "SVG")
    if "\0" not in text:
        raise MediaRefusedError(FileReason.NOT_MEDIA, "text")


def _as_text(head: bytes) -> str | None:
    """Decode the head as text, its byte order mark taken off; None when it is clearly not text.

    Playlists are detected even in text with some bad bytes: ffmpeg would accept them, too.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    text = head.decode("utf-8-sig", "replace").lstrip()
    strange = sum(letter == "\ufffd" or (letter < " " and letter not in "\t\r\n\f") for letter in text[:1024])
    return text if strange * 8 <= len(text[:1024]) else None
