"""Makes small real media: every picture carries its number as blocks, so a test knows which one it was given."""

from bisect import bisect_left
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.stream import Disposition
from av.video.frame import VideoFrame

from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.tasks.media.sound import Sound

BITS = 10
WIDTH, HEIGHT = 160, 96
TICKS = 1000
"""Of a second: times are given in milliseconds, the coarsest clock of all containers."""

FORMATS = {
    ".mp4": ("mp4", "libx264", "aac"),
    ".mov": ("mov", "libx264", "aac"),
    ".mkv": ("matroska", "libx264", "flac"),
    ".webm": ("webm", "libvpx", "libopus"),
    ".vp9.webm": ("webm", "libvpx-vp9", "libopus"),
    ".avi": ("avi", "mpeg4", "libmp3lame"),
    ".mpg": ("mpeg", "mpeg1video", "mp2"),
    ".m2.mpg": ("svcd", "mpeg2video", "mp2"),
    ".gif": ("gif", "gif", None),
}
WITH_SOUND = [suffix for suffix, (_, _, sound) in FORMATS.items() if sound]


def draw(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8: `number` in binary as white and black columns, over a band of colours."""
    picture = np.full((height, width, 3), 16, np.uint8)
    column = width // BITS
    for bit in range(BITS):
        if number >> bit & 1:
            picture[: height * 3 // 4, bit * column : (bit + 1) * column] = 235
    band = np.linspace(0, 255, width).astype(np.uint8)
    picture[height * 3 // 4 :, :, 0] = band
    picture[height * 3 // 4 :, :, 1] = 120
    picture[height * 3 // 4 :, :, 2] = 255 - band
    return picture


def number_in(rgb: np.ndarray) -> int:
    """The number that `draw` put into a picture."""
    height, width = rgb.shape[:2]
    column = width // BITS
    row = rgb[height // 8 : height // 2].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(BITS) if row[bit * column + column // 4 : (bit + 1) * column - 2].mean() > 120)


@dataclass
class SoundTrack:
    """Sound to put into a file: (C, N) float, full scale 1.0, beginning at `start_s`."""

    samples: np.ndarray
    rate_hz: int = 48_000
    layout: str = "mono"
    codec: str | None = None
    start_s: float = 0.0
    gaps: dict[int, float] = field(default_factory=dict)
    """Sample number -> seconds by which everything from there is later."""


def regular(count: int, fps: Fraction | int = 25, start_ms: int = 0) -> list[int]:
    """Times of pictures in milliseconds."""
    return [start_ms + round(Fraction(index * TICKS) / fps) for index in range(count)]


def write_media(
    path: Path,
    times_ms: Sequence[int],
    track: SoundTrack | None = None,
    *,
    suffix: str | None = None,
    codec: str | None = None,
    pix_fmt: str | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pictures: Sequence[np.ndarray] | None = None,
    rotation: tuple[float, bool] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a file with one picture at each time; the format is that of `suffix`."""
    form, video_codec, sound_codec = FORMATS[suffix or path.suffix]
    with av.open(str(path), "w", format=form, options=container_options or {}) as out:
        video = _video_stream(out, codec or video_codec, size, pix_fmt, options or {})
        if rotation:
            video.set_display_rotation(rotation[0], hflip=rotation[1])
        sound = None
        if track is not None:
            sound = out.add_stream(track.codec or sound_codec, rate=track.rate_hz, layout=track.layout)
        lasts_ms = [later - sooner for sooner, later in pairwise(times_ms)]
        lasts_ms.append(lasts_ms[-1] if lasts_ms else 40)
        for number, time_ms in enumerate(times_ms):
            array = pictures[number] if pictures is not None else draw(number, *size)
            frame = VideoFrame.from_ndarray(array, format="rgb24").reformat(format=video.pix_fmt)
            frame.time_base = video.codec_context.time_base
            frame.pts = round(Fraction(time_ms, TICKS) / frame.time_base)
            frame.duration = round(Fraction(lasts_ms[number], TICKS) / frame.time_base)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if sound is not None:
            _write_sound(out, sound, track)
    return path


def _video_stream(out, codec, size, pix_fmt, options):
    video = out.add_stream(codec, rate=25)
    video.width, video.height = size
    video.pix_fmt = pix_fmt or ("rgb8" if codec == "gif" else "yuv420p")
    ticks = {"gif": 100} | dict.fromkeys(("mpeg1video", "mpeg2video", "mpeg4"), 25)
    video.codec_context.time_base = Fraction(1, ticks.get(codec, TICKS))
    video.codec_context.thread_count = 1  # those of libvpx spin while they wait, for ten times the time a picture takes
    video.options = options or ({"preset": "ultrafast", "crf": "18"} if codec == "libx264" else {})
    if codec == "libvpx-vp9":
        video.options = {"deadline": "realtime", "cpu-used": "8"}
    if codec in ("mpeg1video", "mpeg2video", "mpeg4", "libvpx", "libvpx-vp9"):
        video.bit_rate = 2_000_000
    return video


def _write_sound(out, sound, track: SoundTrack) -> None:
    samples = track.samples.astype(np.float32)
    block = sound.codec_context.frame_size or 1024
    resampler = av.AudioResampler(sound.codec_context.format, track.layout, track.rate_hz)
    base = Fraction(1, track.rate_hz)
    start = round(track.start_s * track.rate_hz)
    edges = sorted({*range(0, samples.shape[1], block), *track.gaps, samples.shape[1]})
    late = 0.0
    for first, last in pairwise(edges):
        late += track.gaps.get(first, 0.0)
        packed = np.ascontiguousarray(samples[:, first:last].T).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, "flt", track.layout)
        frame.sample_rate = track.rate_hz
        for converted in resampler.resample(frame):
            converted.time_base, converted.pts = base, start + first + round(late * track.rate_hz)
            out.mux(sound.encode(converted))
    out.mux(sound.encode(None))


def tone(
    seconds: float, rate_hz: int = 48_000, channels: int = 1, hertz: float = 440.0, level: float = 0.5
) -> SoundTrack:
    """A sine in every channel."""
    layouts = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1", 24: "24C"}
    line = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return SoundTrack(np.tile(line.astype(np.float32), (channels, 1)), rate_hz, layouts[channels])


def end_of(sound: Sound) -> int:
    """One past the last recorded sample of sound that is no longer than ten hours."""
    limit = 36_000 * SAMPLE_RATE_HZ
    return bisect_left(range(limit), True, key=lambda first: not sound.covers(first, limit))


UNFLAGGED = Disposition(0)


@dataclass
class StreamPart:
    """A stream of a finished file, to be put into another: its number there, its flag here, seconds by which it is
    moved. hole: everything from the first second on is later by the other seconds.
    """

    path: Path
    stream: int
    disposition: Disposition = UNFLAGGED
    late_s: float = 0.0
    hole: tuple[float, float] | None = None


def remux(path: Path, *parts: StreamPart, form: str = "matroska") -> Path:
    """Put streams of other files into one, as they are, side by side."""
    with ExitStack() as opened, av.open(str(path), "w", format=form) as out:
        packets = []
        for part in parts:
            source = opened.enter_context(av.open(str(part.path)))
            stream = source.streams[part.stream]
            copy = out.add_stream_from_template(stream)
            copy.disposition = part.disposition
            for packet in source.demux(stream):
                if packet.dts is None:
                    continue
                late_s = part.late_s
                if part.hole and packet.pts * packet.time_base >= part.hole[0]:
                    late_s += part.hole[1]
                ticks = round(late_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                packet.stream = copy
                packets.append((packet.dts * packet.time_base, len(packets), packet))
        for _, _, packet in sorted(packets, key=lambda one: one[:2]):
            out.mux(packet)
    return path
