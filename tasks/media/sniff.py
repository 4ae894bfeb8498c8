"""Detect what a file is by its first bytes, never by its name, before any decoder opens it.

Files are hostile: a playlist named clip.mp4 would make ffmpeg open whatever it names, so everything that points at
other files is refused here, and only containers that cannot do so are let through. The tables hold the first bytes of
everything that is recognised and refused.
"""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason

from .paths import open_regular, unreadable

_STILL = FileReason.STILL_PICTURE
_OTHER = FileReason.UNSUPPORTED_CONTAINER
_NOT_MEDIA = FileReason.NOT_MEDIA

PREFIXES: Final[tuple[tuple[bytes, FileReason, str], ...]] = (
    (rb"\xff\xd8\xff", _STILL, "JPEG"),
    (rb"\x89PNG\r\n\x1a\n.{16,200}?acTL", _OTHER, "animated PNG"),
    (rb"\x89PNG\r\n\x1a\n", _STILL, "PNG"),
    (rb"BM.{4}\0\0\0\0.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", _STILL, "BMP"),
    (rb"II[*+]\0|MM\0[*+]", _STILL, "TIFF"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", _STILL, "JPEG 2000"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", _STILL, "JPEG XL"),
    (rb"8BPS\0", _STILL, "Photoshop picture"),
    (rb"\0\0[\x01\x02]\0[\x01-\x40]\0", _STILL, "icon"),
    (rb"v/1\x01", _STILL, "OpenEXR"),
    (rb"SDPX|XPDS", _STILL, "DPX"),
    (rb"P[1-7]\s+(#[^\n]*\n\s*)*\d", _STILL, "PNM"),
    (rb"gimp xcf ", _STILL, "GIMP picture"),
    (rb"OggS", _OTHER, "ogg"),
    (rb"FLV\x01", _OTHER, "flv"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _OTHER, "asf"),
    (rb"fLaC", _OTHER, "flac"),
    (rb"ID3[\x02-\x04]", _OTHER, "sound with an ID3 tag (mp3 or the like)"),
    (rb"\xff[\xf0\xf1\xf8\xf9][\x40-\xbf]", _OTHER, "aac"),
    (rb"\xff[\xe2\xe3\xf2-\xf5\xfa-\xfd][\x10-\xef]", _OTHER, "mp3"),
    (rb"RF64|BW64|riff\x2e\x91\xcf\x11", _OTHER, "wav"),
    (rb"FORM....AIF[FC]", _OTHER, "aiff"),
    (rb"\.snd|dns\.", _OTHER, "au"),
    (rb"caff\0", _OTHER, "caf"),
    (rb"#!AMR", _OTHER, "amr"),
    (rb"#!SILK", _OTHER, "silk"),
    (rb"wvpk", _OTHER, "wavpack"),
    (rb"MAC ", _OTHER, "monkey's audio"),
    (rb"DSD |FRM8", _OTHER, "dsd"),
    (rb"TTA1|tBaK|MPCK|MP\+", _OTHER, "sound"),
    (rb"MThd\0\0\0\x06", _OTHER, "midi"),
    (rb"\x0b\x77", _OTHER, "ac3"),
    (rb"\x7f\xfe\x80\x01", _OTHER, "dts"),
    (rb"\.RMF|\.ra\xfd", _OTHER, "realmedia"),
    (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", _OTHER, "mxf"),
    (rb"YUV4MPEG2 ", _OTHER, "yuv4mpeg"),
    (rb"DKIF\0\0", _OTHER, "ivf"),
    (rb"nut/multimedia container\0", _OTHER, "nut"),
    (rb"SMK[24]|BIK[a-i]|KB2[a-j]", _OTHER, "game video"),
    (rb"[FCZ]WS[\x01-\x40]", _OTHER, "flash"),
    (rb"\x1f\x07\0", _OTHER, "dv"),
    (rb"\xb7\xd8\x00\x20", _OTHER, "wtv"),
    (rb"\0\0\0?\x01(\x67|\x27|\x09)", _OTHER, "bare h264"),
    (rb"\0\0\0?\x01(\x40|\x42|\x46)\x01", _OTHER, "bare hevc"),
    (rb"\0\0\0?\x01[\xb0\xb5]", _OTHER, "bare mpeg-4 video"),
    (rb"\0\0\0.(styp|moof|sidx)", _OTHER, "a piece of a fragmented mp4, without its beginning"),
    (rb"PK[\x03\x05\x07][\x04\x06\x08]", _NOT_MEDIA, "zip archive"),
    (rb"\x1f\x8b", _NOT_MEDIA, "gzip archive"),
    (rb"BZh[1-9]", _NOT_MEDIA, "bzip2 archive"),
    (rb"\xfd7zXZ\0|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", _NOT_MEDIA, "archive"),
    (rb".{257}ustar", _NOT_MEDIA, "tar archive"),
    (rb"%PDF-", _NOT_MEDIA, "PDF"),
    (rb"\x7fELF|MZ.{58}", _NOT_MEDIA, "program"),
    (rb"SQLite format 3\0", _NOT_MEDIA, "database"),
)
"""(regular expression at byte 0, reason, name), the first that fits decides."""

RIFF_KINDS: Final[dict[bytes, str]] = {
    b"WAVE": "wav",
    b"WEBP": "animated WebP",
    b"CDXA": "video CD track",
    b"RMID": "midi",
    b"ACON": "animated cursor",
    b"QLCM": "qcp",
    b"AMV ": "amv",
}
"""RIFF files that are media but not accepted."""

ISO_STILL_BRANDS: Final[dict[bytes, tuple[str, bool]]] = {
    b"heic": ("HEIC", True),
    b"heix": ("HEIC", True),
    b"heim": ("HEIC", True),
    b"heis": ("HEIC", True),
    b"mif1": ("HEIF", True),
    b"mif2": ("HEIF", True),
    b"avif": ("AVIF", True),
    b"crx ": ("Canon raw picture", True),
    b"hevc": ("HEIF sequence", False),
    b"hevx": ("HEIF sequence", False),
    b"msf1": ("HEIF sequence", False),
    b"avis": ("AVIF sequence", False),
}
"""Major brands of picture files in mp4 boxes -> name, and whether it is one still picture."""

ELSEWHERE_TEXT: Final[tuple[tuple[str, str], ...]] = (
    (r"\A\s*#EXT(M3U|INF|-X-)", "HLS or M3U playlist"),
    (r"(?i)\A\s*ffconcat\s", "ffconcat script"),
    (r"(?im)^\s*file\s+\S", "concat script or cue sheet"),
    (r"(?i)<MPD[\s>]", "DASH manifest"),
    (r"(?i)<SmoothStreamingMedia[\s>]", "Smooth Streaming manifest"),
    (r"\A\s*v=0\s", "SDP session"),
    (r"(?i)<asx[\s>]", "ASX playlist"),
    (r"(?im)^\s*\[playlist\]", "PLS playlist"),
    (r"(?i)<smil[\s>]|\ASMILtext|\ARTSPtext", "SMIL"),
    (r"(?i)<playlist[\s>]|<\?wpl\b|<\?zpl\b", "XML playlist"),
    (r"(?i)<\?quicktime\b", "QuickTime link"),
    (r"(?im)^\s*\[(InternetShortcut|Reference)\]", "link file"),
    (r"(?im)^\s*\[Desktop Entry\]", "link file"),
    (r"(?i)\A\s*[a-z][a-z0-9+.-]{1,20}://\S", "list of addresses"),
    (r"(?i)\b(avi|ffms|ffvideo|directshow|lwlibavvideo)source\s*\(", "AviSynth script"),
)
"""(regular expression over the text of the head, name): each of these names files or addresses to open."""


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
