import os

import numpy as np
import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.sniff import GIF_WALK_BYTES, HEAD_BYTES, Container, is_program_stream, sniff
from tests.tasks.media.media_files import FORMATS, draw, regular, write_media

KIND = {"mp4": Container.MP4, "mov": Container.MP4, "mkv": Container.MATROSKA, "webm": Container.MATROSKA}
KIND |= {"avi": Container.AVI, "mpg": Container.MPEG, "gif": Container.GIF}

ELSEWHERE = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nnamed.ts\n",
    "hls with a byte order mark": b"\xef\xbb\xbf#EXTM3U\nnamed.ts\n",
    "hls after spaces": b"\n \t#EXTM3U\nnamed.ts\n",
    "dash": b"<?xml version='1.0'?>\n<!-- x -->\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
    "ffconcat": b"ffconcat version 1.0\nfile named.mp4\n",
    "concat": b"# a comment first\nfile 'named.mp4'\nfile 'other.mp4'\n",
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n",
    "asx": b"<ASX version='3.0'><entry><ref href='named.asf'/></entry></ASX>",
    "pls": b"[playlist]\nFile1=named.mp3\nNumberOfEntries=1\n",
    "smil": b"<smil xmlns='x'><body><video src='named.mp4'/></body></smil>",
    "url": b"[InternetShortcut]\r\nURL=http://example.org/a.mp4\r\n",
    "xspf": b"<?xml version='1.0'?><playlist version='1'><trackList/></playlist>",
    "utf-16 playlist": "#EXTM3U\nnamed.ts\n".encode("utf-16"),
    "address": b"http://example.org/a.m3u8\n",
    "cue": b'PERFORMER "x"\nFILE "named.wav" WAVE\n  TRACK 01 AUDIO\n',
    "avisynth": b'a = AVISource("named.avi")\nreturn a\n',
    "quicktime link": b'<?quicktime type="application/x-quicktime-media-link"?><embed src="named.mov"/>',
}
STILL = {
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\0",
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40),
    "webp": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(32),
    "bmp": b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" + bytes(32),
    "tiff": b"II*\0\x08\0\0\0" + bytes(16),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(16),
    "avif": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(16),
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "svg": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'></svg>",
}
UNSUPPORTED = {
    "ogg": b"OggS\0\x02" + bytes(40),
    "flv": b"FLV\x01\x05\0\0\0\x09",
    "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "MPEG transport stream": (b"\x47\x40\0\x10" + bytes(184)) * 4,
    "wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(32),
    "mp3": b"\xff\xfb\x90\x64" + bytes(32),
    "ID3": b"ID3\x03\0\0\0\0\0\0",
    "flac": b"fLaC\0\0\0\x22",
    "aac": b"\xff\xf1\x50\x80" + bytes(16),
    "animated WebP": b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(9) + b"ANIM" + bytes(9),
    "animated PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17) + b"\0\0\0\x08acTL" + bytes(30),
    "h264": b"\0\0\0\x01\x67\x42\0\x1e" + bytes(16),
    "EBML": b"\x1aE\xdf\xa3\x9fB\x82\x84junk" + bytes(20),
}
NOT_MEDIA = {
    "zip archive": b"PK\x03\x04\x14\0" + bytes(30),
    "text": b"the skip of a text that is not a video\n" * 9,
    "begins with": bytes(4096),
    "PDF": b"%PDF-1.7\n",
    "gzip archive": b"\x1f\x8b\x08\0" + bytes(20),
}


def _refusal(path):
    with pytest.raises(MediaRefusedError) as caught:
        sniff(path)
    return caught.value


@pytest.mark.parametrize("suffix", FORMATS)
def test_real_containers_are_known_under_any_name(clip, suffix, tmp_path):
    path = clip(suffix, regular(3)).rename(tmp_path / "notes.txt")
    assert sniff(path) is KIND[suffix.rsplit(".")[-1]]


@pytest.mark.parametrize(
    ("cases", "reason"),
    [
        (ELSEWHERE, FileReason.POINTS_ELSEWHERE),
        (STILL, FileReason.STILL_PICTURE),
        (UNSUPPORTED, FileReason.UNSUPPORTED_CONTAINER),
        (NOT_MEDIA, FileReason.NOT_MEDIA),
        ({"": b""}, FileReason.EMPTY_FILE),
    ],
)
def test_other_files_are_refused_with_their_reason(tmp_path, cases, reason):
    path = tmp_path / "clip.mp4"
    for name, content in cases.items():
        path.write_bytes(content)
        error = _refusal(path)
        assert error.reason is reason, (name, error)
        if reason in (FileReason.UNSUPPORTED_CONTAINER, FileReason.NOT_MEDIA):
            assert name in error.detail, (name, error)


def test_playlist_is_refused_without_looking_at_what_it_names(tmp_path):
    os.mkfifo(tmp_path / "named.mp4")  # opening it would hang for ever
    path = tmp_path / "clip.mp4"
    path.write_text("ffconcat version 1.0\nfile named.mp4\n")
    assert _refusal(path).reason is FileReason.POINTS_ELSEWHERE


def test_unreadable_file_names_its_cause(tmp_path):
    assert _refusal(tmp_path / "gone.mp4").reason is FileReason.VANISHED
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    assert _refusal(pipe).reason is FileReason.NOT_A_REGULAR_FILE
    assert _refusal(tmp_path).reason is FileReason.NOT_A_REGULAR_FILE
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    assert _refusal(loop).reason is FileReason.UNREADABLE


def test_gif_of_one_picture_is_a_still(tmp_path):
    one = write_media(tmp_path / "one.gif", [0], pictures=[draw(1)])
    assert _refusal(one).reason is FileReason.STILL_PICTURE
    assert sniff(write_media(tmp_path / "two.gif", [0, 100])) is Container.GIF


def test_gif_that_never_ends_is_walked_no_further_than_the_limit(tmp_path):
    one = write_media(tmp_path / "one.gif", [0], pictures=[draw(1)]).read_bytes().removesuffix(b"\x3b")
    path = tmp_path / "long.gif"
    path.write_bytes(one + (b"\x21\xfe" + (b"\xff" + bytes(255)) * 1000 + b"\0") * (GIF_WALK_BYTES // 256_000 + 1))
    assert sniff(path) is Container.GIF


def test_mp4_boxes_in_any_order_and_lying_sizes(tmp_path):
    path = tmp_path / "a"
    for first in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        path.write_bytes((16).to_bytes(4, "big") + first + bytes(8))
        assert sniff(path) is Container.MP4
    path.write_bytes(b"\x00\x00\xff\xff" + b"free" + bytes(100))  # a box longer than the file
    assert _refusal(path).reason is FileReason.NOT_MEDIA


def test_random_bytes_never_crash_sniff(tmp_path):
    path = tmp_path / "a"
    rng = np.random.default_rng(0)
    starts = [b"", b"GIF89a", b"\x1aE\xdf\xa3", b"RIFF", b"\0\0\0\x18ftyp", b"\xff\xfe", b"v=0", b"\x89PNG\r\n\x1a\n"]
    for seed in range(400):
        path.write_bytes(starts[seed % len(starts)] + rng.bytes(int(rng.integers(0, 300))))
        try:
            assert sniff(path) in Container
        except MediaRefusedError as error:
            assert error.reason in FileReason


def test_only_the_head_is_read(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.seek(HEAD_BYTES + 1)
        file.write(b"#EXTM3U\n")
    assert _refusal(path).reason is FileReason.NOT_MEDIA
    with path.open("ab") as file:
        file.truncate(1 << 40)  # a terabyte that would not fit into memory
    assert _refusal(path).reason is FileReason.NOT_MEDIA


def test_program_stream_and_bare_video_are_distinguished():
    assert is_program_stream(b"\0\0\x01\xba\x21")
    assert not is_program_stream(b"\0\0\x01\xb3\x16")
