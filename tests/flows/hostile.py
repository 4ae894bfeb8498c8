"""A folder of files that mean harm, with what should become of each: (state, reason), or None where either is right."""

import os
import random
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from tests.flows.heads import head, made_unique, voice, write_head
from tests.tasks.media.media_files import SoundTrack, regular, tone, write_media

Outcome = tuple[str, str | None] | None
MEASURED: Outcome = ("measured", None)
SIDE = 256
TENTHS = range(1, 10)
FLIPS = 12


def fill(folder: Path, bait: Path, address: str) -> dict[bytes, Outcome]:
    """Write everything into `folder`; gives the outcome due by path. `bait` and `address` must never be opened."""
    folder.mkdir(parents=True)
    good = write_head(folder / "good.mp4", 100, container_options={"movflags": "faststart"}).read_bytes()
    due = {"good.mp4": MEASURED}
    due |= _that_kill(folder, good) | _named_oddly(folder, good) | _damaged(folder, good)
    due |= (
        _that_lie(folder, good) | _odd_sound(folder) | _that_point_elsewhere(folder, bait, address) | _no_files(folder)
    )
    return {os.fsencode(folder / name): outcome for name, outcome in due.items()}


def _that_kill(folder: Path, good: bytes) -> dict[str, Outcome]:
    due = {
        "it CRASHES.mp4": ("quarantined", "decoder_crashed"),
        "it HANGS.mp4": ("quarantined", "timed_out"),
        "it FILLS.mp4": ("quarantined", "disk_full"),
        "it is LOCKED.mp4": ("quarantined", "unreadable"),
    }
    for name in due:
        (folder / name).write_bytes(made_unique(good, name))
    return due


def _named_oddly(folder: Path, good: bytes) -> dict[str, Outcome]:
    names = [
        "with space.mp4", "it's \"quoted\" `$(touch x)`.mp4", "two\nlines\t.mp4", os.fsdecode(b"latin-\xe9\xff.mp4"),
        "\N{GRINNING FACE} <script>alert(1)</script> %41 #?.mp4", "x" * 251 + ".mp4", "-rf", "no suffix",
        "concat:a|b.mp4", "[markup]{braces}.mp4", "deep/er/" + "d" * 200 + "/clip.mp4",
    ]  # fmt: skip
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        # the first two are measured in full; for the others half a second is enough to see that they were read
        (folder / name).write_bytes(
            made_unique(good if number < 4 else _blink(folder), name[:40].encode("utf-8", "replace").decode())
        )
    return {name: MEASURED if number < 4 else ("rejected", "too_short") for number, name in enumerate(names)}


def _blink(folder: Path) -> bytes:
    path = folder / "blink.mp4"
    content = write_head(path, 101, 12).read_bytes()
    path.unlink()
    return content


def _damaged(folder: Path, good: bytes) -> dict[str, Outcome]:
    due: dict[str, Outcome] = {"empty.mp4": ("rejected", "empty_file")}
    (folder / "empty.mp4").write_bytes(b"")
    for tenth in TENTHS:
        (folder / f"cut {tenth}.mp4").write_bytes(good[: len(good) * tenth // 10])
        due[f"cut {tenth}.mp4"] = None
    due["cut 9.mp4"] = MEASURED  # 35 frames are left
    for seed in range(FLIPS):
        (folder / f"flipped {seed}.mp4").write_bytes(flipped(good, seed))
        due[f"flipped {seed}.mp4"] = None
    noise = random.Random(1).randbytes(50_000)
    (folder / "noise.mp4").write_bytes(noise)
    (folder / "noise after a head.mp4").write_bytes(good[:32] + noise)
    return due | {"noise.mp4": ("rejected", "not_media"), "noise after a head.mp4": ("rejected", "no_decodable_frame")}


def flipped(content: bytes, seed: int) -> bytes:
    """Some bytes are others; half of the seeds aim at the first kilobytes, where headers are."""
    chance = random.Random(seed)
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 5, 50, 500))):
        damaged[chance.randrange(len(damaged) if seed % 2 else min(4096, len(damaged)))] = chance.randrange(256)
    return bytes(damaged)


def _that_lie(folder: Path, good: bytes) -> dict[str, Outcome]:
    (folder / "frames.mp4").write_bytes(_claiming(good, b"stts", 12, 10_000_000))
    (folder / "sizes.mp4").write_bytes(_claiming(good, b"stsz", 12, 10_000_000))
    (folder / "huge.gif").write_bytes(_gif(16384))
    (folder / "one.gif").write_bytes(_gif(1))
    _lossless(folder / "one.mkv", 1)
    (folder / "wide.mp4").write_bytes(_claiming(good, b"avc1", 28, 16384 << 16 | 16384))
    return {
        "frames.mp4": None,
        "sizes.mp4": None,
        "huge.gif": ("rejected", "picture_too_large"),
        "one.gif": ("rejected", "picture_too_small"),
        "one.mkv": ("rejected", "picture_too_small"),
        "wide.mp4": None,
    }


def _claiming(content: bytes, box: bytes, offset: int, value: int) -> bytes:
    """The file with another 32-bit number at `offset` behind the name of its first such box."""
    at = content.index(box) + offset
    return content[:at] + struct.pack(">I", value) + content[at + 4 :]


def _gif(side: int) -> bytes:
    """Two pictures of one pixel on a screen of side x side."""
    picture = (
        b"\x21\xf9\x04\x00\x0a\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    )
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff" + picture * 2 + b";"


def _lossless(path: Path, side: int) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = side, side, "bgr0"
        for number in range(30):
            frame = VideoFrame.from_ndarray(np.full((side, side, 3), number, np.uint8), format="rgb24")
            out.mux(stream.encode(frame.reformat(format="bgr0")))
        out.mux(stream.encode(None))


def _odd_sound(folder: Path) -> dict[str, Outcome]:
    def write(name: str, seed: int, track: SoundTrack, frames: int = 40) -> None:
        write_media(folder / name, regular(frames), track, size=(SIDE, SIDE), pictures=head(seed, frames))

    many = tone(1.6, 48_000, 24)
    many.codec = "pcm_s16le"
    write("24 channels.mkv", 110, many)
    write("8 kHz.mp4", 111, voice(111, 1.6, 8_000))
    write("192 kHz.mkv", 112, voice(112, 1.6, 192_000))
    write("long sound.mkv", 113, voice(113, 30.0))
    write("short sound.mkv", 114, voice(114, 0.3))
    return dict.fromkeys(("24 channels.mkv", "8 kHz.mp4", "192 kHz.mkv", "long sound.mkv", "short sound.mkv"), MEASURED)


def _that_point_elsewhere(folder: Path, bait: Path, address: str) -> dict[str, Outcome]:
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9.0,\n{bait}\n#EXTINF:9.0,\n{address}/a.ts\n#EXT-X-ENDLIST\n"
    session = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    texts = {
        "hls.mp4": playlist,
        "hls with mark.avi": "\ufeff" + playlist,
        "concat.mkv": f"ffconcat version 1.0\nfile '{bait}'\n",
        "sdp.mov": f"{session}a=control:{address}\nm=video 9 RTP/AVP 96\n",
        "dash.webm": f"<?xml version='1.0'?><MPD><BaseURL>{address}/</BaseURL></MPD>",
        "smil.mpg": f"<smil><body><video src='{address}/a.mp4'/></body></smil>",
        "list.m3u": f"{bait}\n{address}/a.mp4\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return dict.fromkeys(texts, ("rejected", "points_elsewhere")) | {"list.m3u": None}


def _no_files(folder: Path) -> dict[str, Outcome]:
    (folder / "folder.mp4").mkdir()
    (folder / "broken.mp4").symlink_to("nowhere.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "linked folder").symlink_to(folder.parent)
    (folder / "link.mp4").symlink_to("good.mp4")
    os.link(folder / "good.mp4", folder / "hard link.mp4")
    os.mkfifo(folder / "pipe.mp4")
    (folder / "device.mp4").symlink_to("/dev/zero")
    return {
        "folder.mp4": ("rejected", "folder"),
        "broken.mp4": ("quarantined", "broken_link"),
        "loop.mp4": ("quarantined", "link_loop"),
        "linked folder": ("rejected", "linked_folder"),
        "link.mp4": ("duplicate", "same_bytes"),
        "hard link.mp4": ("duplicate", "same_bytes"),
        "pipe.mp4": ("rejected", "not_a_regular_file"),
        "device.mp4": ("rejected", "not_a_regular_file"),
    }
