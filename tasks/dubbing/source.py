"""The video that is dubbed: its pictures at their own times and in their own samples, as often as they are wanted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from model.dubbing.compositing import Colours, Planes
from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason
from schemas.records import MediaFacts
from schemas.settings import GuardSettings
from tasks.media.opening import open_input, picture_stream, set_up
from tasks.media.orientation import Orientation
from tasks.media.pictures import Clock, GifClock, Painter, decoded
from tasks.media.probe import probe
from tasks.media.retime import LAST_PICTURE_MAX_S, MAX_HOLE_S
from tasks.media.sniff import Container, sniff

_FINEST: Final = Fraction(1, 1_000_000)
_STANDARD: Final = Fraction(1, 90_000)
"""Ticks of the output where the source's own are finer than MP4 writes or no part of a second."""

_UNSAID: Final = 2
"""ffmpeg's number for a matrix, primaries or transfer that a file does not name."""
_SD: Final = 6
"""SMPTE 170M: what pictures that come as RGB are turned into."""
_LIMITED, _FULL = 1, 2


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """One picture of the source. tick: its time after the first, in the film's `base`. lasts: ticks, at least 1."""

    index: int
    tick: int
    lasts: int
    frame: VideoFrame


@dataclass(frozen=True, slots=True)
class Look:
    """How the output's samples stand for colours, shapes and directions: as the source's do.

    pix_fmt: yuv420p or yuvj420p; yuv444p where a side is odd, since 4:2:0 has no odd sizes. matrix, primaries,
    transfer: H.273's numbers. range: ffmpeg's, 2 for samples of 0..255. turned: how the coded picture is displayed.
    display_matrix: the same as the container has it, nine numbers, or None.
    """

    width: int
    height: int
    pix_fmt: str
    matrix: int
    primaries: int
    transfer: int
    range: int
    aspect: Fraction | None
    turned: Orientation
    display_matrix: tuple[int, ...] | None
    rate: Fraction | None

    @property
    def colours(self) -> Colours:
        """For model.dubbing.compositing."""
        return Colours(self.matrix, self.range == _FULL or self.pix_fmt.startswith("yuvj"))


@dataclass(slots=True)
class Film:
    """A probed video. Iterate `pictures()` as often as needed; `damage` says why the last pass ended early."""

    path: Path
    container: Container
    facts: MediaFacts
    guards: GuardSettings
    damage: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, guards: GuardSettings) -> "Film":
        """Look at a file without decoding more than one picture.

        Raises: MediaRefusedError - it cannot be used; see tasks.media.sniff and tasks.media.probe.
        """
        container = sniff(path)
        return cls(path, container, probe(path, container, guards), guards)

    def look(self) -> Look:
        """What the output has in common with this film, from its first picture.

        Raises: MediaRefusedError - NO_DECODABLE_FRAME, VANISHED, UNREADABLE.
        """
        with self._opened() as (source, stream):
            frame = next(decoded(source, stream, []), None)
            if frame is None:
                raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME)
            return _look(frame, stream)

    def comment(self) -> str:
        """What the container's metadata say of how the film was made; empty where they say nothing."""
        with self._opened() as (source, _):
            said = {name.lower(): value for name, value in source.metadata.items()}  # Matroska has it in capitals
        return said.get("comment", "")

    def base(self) -> Fraction:
        """Seconds of a tick."""
        with self._opened() as (_, stream):
            base = stream.time_base or _STANDARD
        return base if base.numerator == 1 and base >= _FINEST else _STANDARD

    def pictures(self) -> Iterator[SourcePicture]:
        """Every picture whose time advances, in order.

        Ends early, with words in `damage`, where the file is damaged, where it goes on after a hole of ten minutes, and
        at the longest time that files may have.

        Raises: MediaRefusedError - VANISHED, UNREADABLE, or no picture at all: NO_DECODABLE_FRAME.
        """
        self.damage = []
        base = self.base()
        with self._opened() as (source, stream):
            waiting: SourcePicture | None = None
            last_step = max(1, round(self._step_s() / base))
            for time_s, lasts_s, frame in self._timed(source, stream):
                tick = round(time_s / base)
                if waiting is not None:
                    if tick <= waiting.tick:
                        continue
                    step = tick - waiting.tick
                    if step * base > MAX_HOLE_S or tick * base > self.guards.max_duration_s:
                        self.damage.append(
                            f"picture {waiting.index + 1} stands {float(tick * base):.0f} s after the first"
                        )
                        break
                    last_step = step
                    yield SourcePicture(waiting.index, waiting.tick, step, waiting.frame)
                stands = round(min(lasts_s, LAST_PICTURE_MAX_S) / base) or last_step
                waiting = SourcePicture(0 if waiting is None else waiting.index + 1, tick, stands, frame)
            if waiting is None:
                raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "; ".join(self.damage))
            yield waiting

    def _step_s(self) -> Fraction:
        fps = self.facts.nominal_fps
        return 1 / Fraction(fps).limit_denominator(1001) if fps and fps > 1 else Fraction(1, 25)

    def _timed(self, source: InputContainer, stream: VideoStream) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
        """Pictures with seconds after the first one and seconds that they stand."""
        clock = Clock(self._step_s())
        gif = GifClock() if stream.codec_context.name == "gif" else None
        origin_s: Fraction | None = None
        for frame in decoded(source, stream, self.damage):
            base = frame.time_base or stream.time_base or _STANDARD
            stated_s = None if frame.pts is None else frame.pts * base
            lasts_s = max(frame.duration, 0) * base
            if gif is not None:
                stated_s, lasts_s = gif.read(lasts_s)
            time_s = clock.read(stated_s)
            origin_s = time_s if origin_s is None else origin_s
            yield time_s - origin_s, lasts_s, frame

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        with open_input(self.path, self.container, self.guards.max_pixels) as source:
            stream = picture_stream(source)
            if stream is None:
                raise MediaRefusedError(FileReason.NO_VIDEO_STREAM)
            set_up(stream, self.guards.max_pixels)
            yield source, stream


def _look(frame: VideoFrame, stream: VideoStream) -> Look:
    odd = frame.width % 2 or frame.height % 2
    known = _has_planes(frame)
    full = known and frame.format.name.startswith("yuvj")
    side_data: Any = frame.side_data
    words = side_data.get(Type.DISPLAYMATRIX)
    return Look(
        width=frame.width,
        height=frame.height,
        pix_fmt=f"{'yuvj' if full else 'yuv'}{'444p' if odd else '420p'}",
        matrix=int(frame.colorspace) if known else _SD,
        primaries=int(frame.color_primaries) if known else _UNSAID,
        transfer=int(frame.color_trc) if known else _UNSAID,
        range=int(frame.color_range) if known else _LIMITED,
        aspect=stream.sample_aspect_ratio,
        turned=Orientation.of(frame),
        display_matrix=None if words is None else tuple(int(word) for word in np.frombuffer(bytes(words), np.int32)),
        rate=stream.average_rate or stream.guessed_rate,
    )


def _has_planes(frame: VideoFrame) -> bool:
    """Whether the picture comes as luma and chroma, so that its samples can be kept."""
    return frame.format.name.startswith("yuv")


class Canvas:
    """Turns source pictures into frames that can be painted on and encoded: all of one size and kind."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._reformatter = VideoReformatter()
        self._painter: Painter | None = None

    def rgb(self, frame: VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8 as displayed: what trackers and networks see, and ingest saw."""
        self._painter = self._painter or Painter(frame)
        return self._painter(frame)

    def output(self, frame: VideoFrame) -> VideoFrame:
        """The picture as a frame of the output; the very same frame where it is of that kind. Not to be painted on."""
        look = self._look
        if not _has_planes(frame):
            return self._from_rgb(frame)
        if (frame.format.name, frame.width, frame.height) == (look.pix_fmt, look.width, look.height):
            return frame
        kept: Any = {"src_color_range": look.range, "dst_color_range": look.range} if look.range else {}
        return self._reformatter.reformat(frame, look.width, look.height, look.pix_fmt, threads=1, **kept)

    def copy(self, frame: VideoFrame) -> VideoFrame:
        """The same as a frame that nobody else holds, to be painted on: a decoder still predicts from its own."""
        given = self.output(frame)
        made = VideoFrame(given.width, given.height, given.format.name)
        for old, new in zip(given.planes, made.planes, strict=True):
            rows, columns = old.height, old.width
            _samples(new)[:rows, :columns] = _samples(old)[:rows, :columns]
        return made

    def _from_rgb(self, frame: VideoFrame) -> VideoFrame:
        look = self._look
        coded = VideoFrame.from_ndarray(_undisplayed(self.rgb(frame), look.turned), "rgb24")
        return self._reformatter.reformat(
            coded, look.width, look.height, look.pix_fmt, dst_colorspace=5, dst_color_range=_LIMITED, threads=1
        )


def planes_of(frame: VideoFrame, look: Look) -> Planes:
    """A writable frame's planes as displayed: views, so that what is written there is in the frame."""
    views = []
    for number, plane in enumerate(frame.planes):
        halved = number > 0 and "420" in look.pix_fmt
        rows, columns = (look.height // 2, look.width // 2) if halved else (look.height, look.width)
        samples = _samples(plane)[:rows, :columns]
        straight = samples[:, ::-1] if look.turned.mirrored else samples
        views.append(np.rot90(straight, -look.turned.clockwise_quarters))
    return Planes(views[0], views[1], views[2], "420" in look.pix_fmt)


def _samples(plane: VideoPlane) -> np.ndarray:
    """A plane's memory, (rows, bytes a row)."""
    memory: Any = plane  # which numpy takes, though its types do not say so
    samples: np.ndarray = np.frombuffer(memory, np.uint8).reshape(-1, plane.line_size)
    return samples


def _undisplayed(rgb: np.ndarray, turned: Orientation) -> np.ndarray:
    """The inverse of Orientation.apply."""
    straight = np.rot90(rgb, turned.clockwise_quarters)
    return np.ascontiguousarray(straight[:, ::-1] if turned.mirrored else straight)
