"""Sizes of encoded pictures, by their headers."""

import struct
from collections.abc import Iterator

Size = tuple[int, int]


def picture_size(data: bytes) -> Size | None:
    """Read width and height of a JPEG, PNG or WebP picture in pixels; None if it is none of these or is cut off."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _jpeg(data: bytes) -> Size | None:
    if not data.rstrip(b"\x00").endswith(b"\xff\xd9"):  # the end marker: without it the picture is cut off
        return None
    for marker, start in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and start + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, start + 3)
            return (width, height) if width and height else None
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and start of each segment before the picture itself."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xDA:
            return
        yield marker, at + 2
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _png(data: bytes) -> Size | None:
    if len(data) < 45 or data[12:16] != b"IHDR" or data[-8:-4] != b"IEND":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return (width, height) if width and height else None


def _webp(data: bytes) -> Size | None:
    if len(data) < 30 or struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        return None
    form = data[12:16]
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L" and data[20] == 0x2F:
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None
