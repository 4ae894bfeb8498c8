"""Writing of videos in every container that the pipeline supports, and damaging of files."""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from .render import Frame
from .speech import SAMPLE_RATE_HZ

_CLOCK: Final = Fraction(1, 12_800)  # divides every frame rate used here without remainder


@dataclass(frozen=True)
class OutputFormat:
    """A container with its codecs. `options` go to the muxer, `codec_options` to the video encoder."""

    name: str
    video: str
    sound: str
    options: dict[str, str] = field(default_factory=dict)
    codec_options: dict[str, str] = field(default_factory=dict)
    sound_rate_hz: int = SAMPLE_RATE_HZ
    bit_rate: int | None = None


# without mbtree=0 the same frames give other bytes on every run, even on one thread
_X264: Final = {"preset": "veryfast", "crf": "20", "threads": "1", "mbtree": "0"}

CONTAINERS: Final = {
    "mp4": OutputFormat("mp4", "libx264", "aac", codec_options=_X264),
    "mp4_front": OutputFormat("mp4", "libx264", "aac", {"movflags": "+faststart"}, _X264),
    "mov": OutputFormat("mov", "libx264", "aac", codec_options=_X264),
    "mkv": OutputFormat("matroska", "libx264", "aac", codec_options=_X264),
    "webm": OutputFormat(
        "webm",
        "libvpx",
        "libopus",
        # a speed above zero is a wish that VP8 follows by its own clock: on a busy machine, other bytes
        codec_options={"deadline": "realtime", "cpu-used": "-6"},
        bit_rate=1_200_000,
    ),
    "webm_vp9": OutputFormat(
        "webm", "libvpx-vp9", "libopus", codec_options={"deadline": "realtime", "cpu-used": "8"}, bit_rate=900_000
    ),
    "avi": OutputFormat("avi", "mpeg4", "pcm_s16le", bit_rate=1_600_000),
    "mpg": OutputFormat("mpeg", "mpeg2video", "mp2", bit_rate=2_500_000),
    "mpg1": OutputFormat("mpeg", "mpeg1video", "mp2", bit_rate=2_500_000),
}
"""Output formats by name."""


def write_film(
    path: Path,
    frames: Iterable[Frame],
    fps: Fraction,
    sound: NDArray[np.float32] | None,
    container: OutputFormat,
    shown_at: Sequence[int] | None = None,
) -> None:
    """Write frames (H, W, 3) RGB at `fps` and mono sound at SAMPLE_RATE_HZ.

    With `shown_at`, only the frames of these numbers are written, each at its own time: a variable frame rate.

    Raises: av.error.FFmpegError - the libraries refuse to write.
    """
    frames = iter(frames)
    first = next(frames)
    with av.open(os.fspath(path), "w", container.name, options={"fflags": "+bitexact", **container.options}) as out:
        video = _video_stream(out, container, fps, first)
        voice: Any = None
        if sound is not None:
            voice = out.add_stream(container.sound, rate=container.sound_rate_hz, layout="mono")
        for number, frame in enumerate(chain([first], frames)):
            if shown_at is None or number in shown_at:
                picture = av.VideoFrame.from_ndarray(frame, "rgb24")
                picture.pts, picture.time_base = int(number / fps / _CLOCK), _CLOCK
                out.mux(video.encode(picture))
            if voice is not None and sound is not None:
                out.mux(_encoded_sound(voice, sound, number, fps))
        for stream in filter(None, (video, voice)):
            out.mux(stream.encode(None))


def _video_stream(out: Any, container: OutputFormat, fps: Fraction, frame: Frame) -> Any:
    stream = out.add_stream(container.video, rate=fps, options=dict(container.codec_options))
    stream.height, stream.width = frame.shape[:2]
    stream.pix_fmt = "yuv420p"
    if container.video == "libx264":
        stream.codec_context.time_base = _CLOCK
    if container.bit_rate:
        stream.bit_rate = container.bit_rate
    stream.codec_context.thread_count = 1  # the same bytes on every machine
    return stream


def _encoded_sound(voice: Any, sound: NDArray[np.float32], number: int, fps: Fraction) -> list[Any]:
    """Encode the sound that belongs to one frame."""
    start, stop = (round(index / fps * SAMPLE_RATE_HZ) for index in (number, number + 1))
    piece = sound[start:stop]
    if not len(piece):
        return []
    audio = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece[None]), "fltp", "mono")
    audio.sample_rate, audio.pts, audio.time_base = SAMPLE_RATE_HZ, start, Fraction(1, SAMPLE_RATE_HZ)
    return list(voice.encode(audio))


def write_sound(path: Path, sound: NDArray[np.float32]) -> None:
    """Write sound alone, as an .m4a.

    Raises: av.error.FFmpegError - the libraries refuse to write.
    """
    with av.open(os.fspath(path), "w", "mp4", options={"fflags": "+bitexact"}) as out:
        voice: Any = out.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        for second in range(len(sound) // SAMPLE_RATE_HZ + 1):
            out.mux(_encoded_sound(voice, sound, second, Fraction(1)))
        out.mux(voice.encode(None))


def write_gif(path: Path, frames: Iterable[Frame], fps: Fraction) -> None:
    """Write an animated GIF whose 256 colours are chosen for the whole film.

    Raises: av.error.FFmpegError - the libraries refuse to write.
    """
    with av.open(os.fspath(path), "w", "gif", options={"fflags": "+bitexact", "loop": "0"}) as out:
        video: Any = None
        for number, picture in enumerate(_paletted(list(frames), fps)):
            if video is None:
                video = out.add_stream("gif", rate=fps)
                video.width, video.height, video.pix_fmt = picture.width, picture.height, "pal8"
                video.codec_context.time_base = 1 / fps
            picture.pts, picture.time_base = number, 1 / fps
            out.mux(video.encode(picture))
        out.mux(video.encode(None))


def _paletted(frames: list[Frame], fps: Fraction) -> Iterator[Any]:
    height, width = frames[0].shape[:2]
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=1 / fps)
    split, choose = graph.add("split"), graph.add("palettegen", "max_colors=256:stats_mode=full")
    use, sink = graph.add("paletteuse", "dither=bayer:bayer_scale=4"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(choose, 1, 0)
    choose.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, "rgb24")
        picture.pts, picture.time_base = number, 1 / fps
        source.push(picture)
    source.push(None)
    for _ in frames:
        yield sink.pull()


def turn_display(path: Path, degrees: int) -> None:
    """Tell players of an .mp4 to turn its picture clockwise, as a phone held upright does; the picture stays as it is.

    Raises: ValueError - the file has no track header, or the turn is none of 90, 180, 270.
    """
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd")
    if at < 0:
        raise ValueError(f"{path.name} has no track header")
    unit = 1 << 16  # 16.16 fixed point; the last column is 2.30
    matrix = struct.pack(">9i", cosine * unit, sine * unit, 0, -sine * unit, cosine * unit, 0, 0, 0, 1 << 30)
    start = at + 4 + 40  # version and flags, times, track, duration, reserved, layer, group, volume
    content[start : start + 36] = matrix
    path.write_bytes(content)


def cut_off(path: Path, share: float) -> None:
    """Keep the first `share` of a file's bytes, as a broken download does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def write_still(path: Path, picture: Frame) -> None:
    """Write one still picture, JPEG or PNG by the name's ending.

    Raises: OSError - the picture cannot be written.
    """
    import cv2

    if not cv2.imwrite(os.fspath(path), np.ascontiguousarray(picture[..., ::-1])):
        raise OSError(f"cannot write {path}")
