"""The first bytes of everything that is recognised and refused. Data only; sniff.py reads it."""

from typing import Final

from heterodub.schemas.reasons import FileReason

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
