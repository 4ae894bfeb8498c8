"""Source pictures with their exact times, in order, decoded by PyAV one at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from heapq import heappop, heappush
from math import floor
from typing import Final

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from heterodub.schemas.contract import FPS
from heterodub.schemas.records import WHOLE_FILM, FilmSegment

from .colour import BT601, BT709, ColourTags
from .containers import words
from .counted_notes import CountedNotes
from .deinterlacing import Deinterlacer
from .frame_converter import FrameConverter, PictureNotes
from .geometry import Geometry, PixelAspect
from .timeline import StreamClock, without_strays

MAX_DEAD_PACKETS: Final = 1000
"""Packets that may fail to decode before the first picture; a recording that starts mid-way loses a few."""

_WAITING_TIMES: Final = 64
"""Packet times kept for frames that come out later; no codec reorders further."""


@dataclass(frozen=True, slots=True)
class TimedPicture:
    """One source picture. `pixels()` converts it: (H, W, 3) uint8 as displayed."""

    time_s: Fraction
    """Seconds, on the container's clock."""
    duration_s: Fraction
    pixels: Callable[[], np.ndarray]
    geometry: Geometry | None = None
    """Its size and direction, where they may differ from those of its neighbours."""


def decoded(
    source: InputContainer,
    video: VideoStream,
    damage: list[str],
    deinterlacer: Deinterlacer | None = None,
    segment: FilmSegment = WHOLE_FILM,
) -> Iterator[VideoFrame]:
    """Decode frames until the end or the first damage after a good frame, whose message is then added to `damage`.

    Damage before the first frame is passed over, up to MAX_DEAD_PACKETS. Combed frames come deinterlaced.
    segment: after the first frame, decoding goes on where the segment says.
    """
    return (deinterlacer or Deinterlacer()).over(_as_coded(source, video, damage, segment))


def _as_coded(
    source: InputContainer, video: VideoStream, damage: list[str], segment: FilmSegment = WHOLE_FILM
) -> Iterator[VideoFrame]:
    times: list[int] = []
    frames = 0
    dead: list[str] = []
    try:
        for number, packet in enumerate(source.demux(video)):
            if frames and number < segment.resume_packet:
                continue  # counted, not sought: a packet's number is exact in every container
            if number == segment.resume_packet > 0:
                video.codec_context.flush_buffers()
                times.clear()
            try:
                fresh = _decode(packet, times)
            except av.error.EOFError:
                break
            except MemoryError:
                raise  # also an FFmpegError, but it says nothing of the file
            except (av.error.FFmpegError, ValueError) as error:
                dead.append(words(error))
                is_exact = frames and number >= segment.exact_packet
                if is_exact or len(dead) > MAX_DEAD_PACKETS:
                    damage.append(dead[-1])
                    return
                continue
            frames += len(fresh)
            yield from fresh
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        dead.append(words(error))
        damage.append(dead[-1])
    if not frames:
        damage.extend(dict.fromkeys(dead))


def _decode(packet: "Packet[VideoStream]", times: list[int]) -> list[VideoFrame]:
    """Decode; frames without a time get the earliest time of a packet that has not been used.

    AVI stores no presentation times, only the order of packets; frames come out in display order, so the n-th frame
    takes the n-th packet time.
    """
    if packet.dts is not None and packet.size:
        heappush(times, packet.dts)
        if len(times) > _WAITING_TIMES:
            heappop(times)
    fresh = packet.decode()
    for frame in fresh:
        earliest = heappop(times) if times else None
        if frame.pts is None:
            frame.pts = earliest
    return fresh


class PyavPictures:
    """The pictures of an opened file. Iterate once; `damage` then holds why it ended early, if it did."""

    def __init__(
        self,
        source: InputContainer,
        video: VideoStream,
        nominal_fps: float | None,
        clock: StreamClock | None = None,
        segment: FilmSegment = WHOLE_FILM,
    ) -> None:
        self.damage: list[str] = []
        self._source = source
        self._video = video
        self._clock = Clock(step_s(nominal_fps), clock)
        self._aspect = PixelAspect(video)
        self._convert = FrameConverter()
        self._segment = segment
        self._deinterlacer = Deinterlacer(segment)
        self._notes = PictureNotes()
        self.is_plain = False
        """True if the first picture is shown as any decoder shows it; known once it was read."""
        self._gif_clock = GifClock() if video.codec_context.name == "gif" else None

    @property
    def picture_notes(self) -> PictureNotes:
        """Notes on what was done to the pictures so far."""
        self._notes.refused_aspect = self._aspect.refused
        self._notes.deinterlaced = self._deinterlacer.count
        return self._notes

    @property
    def notes(self) -> CountedNotes:
        """The same in sentences, each with its numbers."""
        return self.picture_notes.counted()

    def frames(self) -> Iterator[tuple[Fraction, Fraction, VideoFrame, Geometry]]:
        """Yield of each picture its time and its duration in seconds, the frame as decoded, and its geometry."""
        first_s: Fraction | None = None
        for stated_s, frame in timed(self._source, self._video, self.damage, self._deinterlacer, self._segment):
            geometry = self._aspect.geometry(frame)
            if first_s is None:
                self.is_plain = _is_plain(frame, geometry) and self._aspect.refused is None
            duration_s = lasts_s(frame, self._video)
            if self._gif_clock is not None:
                stated_s, duration_s = self._gif_clock.read(duration_s)
            time_s = self._clock.read(stated_s)
            first_s = time_s if first_s is None else first_s
            self._notes.add(frame, geometry, floor((time_s - first_s) * FPS) in self._segment)
            yield time_s, duration_s, frame, geometry

    def __iter__(self) -> Iterator[TimedPicture]:
        for time_s, duration_s, frame, geometry in self.frames():
            yield TimedPicture(time_s, duration_s, partial(self._convert, frame, geometry), geometry)


def _is_plain(frame: VideoFrame, geometry: Geometry) -> bool:
    """Return True if any decoder shows a frame alike: upright, square pixels, colours that all know or assume."""
    colours = ColourTags.of(frame)
    assumed = int(frame.colorspace) in (BT709, 5, BT601) or colours.matrix == BT601
    standard = assumed and not (colours.mapped or colours.full or frame.interlaced_frame)
    return standard and geometry == Geometry(frame.width, frame.height) and frame.format.name == "yuv420p"


def timed(
    source: InputContainer,
    video: VideoStream,
    damage: list[str],
    deinterlacer: Deinterlacer | None = None,
    segment: FilmSegment = WHOLE_FILM,
) -> Iterator[tuple[Fraction | None, VideoFrame]]:
    """Decode as `decoded`; yield each frame with its stated time in seconds, None when it has no plausible one."""
    return without_strays(
        (None if frame.pts is None else frame.pts * _base(frame, video), frame)
        for frame in decoded(source, video, damage, deinterlacer, segment)
    )


def lasts_s(frame: VideoFrame, video: VideoStream) -> Fraction:
    """Seconds that a frame stands, as the container says; 0 when it does not say."""
    return max(frame.duration, 0) * _base(frame, video)


def _base(frame: VideoFrame, video: VideoStream) -> Fraction:
    return frame.time_base or video.time_base or Fraction(1, FPS)


def step_s(nominal_fps: float | None) -> Fraction:
    """Seconds between pictures at the claimed rate, at most one; 1/25 when nothing sensible is claimed."""
    return 1 / Fraction(nominal_fps).limit_denominator(1001) if nominal_fps and nominal_fps > 1 else Fraction(1, FPS)


class Clock:
    """Times of pictures on the file's line, see timeline.StreamClock. A missing time is the last one plus a step.

    A small step back is passed on as it is, for the caller to drop.
    """

    def __init__(self, step: Fraction, stream: StreamClock | None = None) -> None:
        self._step = step
        self._stream = stream or StreamClock()
        self._latest: Fraction | None = None

    def read(self, stated: Fraction | None) -> Fraction:
        """The time of the next picture, in seconds."""
        if self._latest is None:
            self._latest = stated or Fraction(0)
            return self._latest
        follows = self._latest + self._step
        time_s = follows if stated is None else self._stream.place(stated, self._latest, follows)
        self._latest = max(self._latest, time_s)
        return time_s


class GifClock:
    """Times of a GIF as browsers show it: a delay of 0 or 1 hundredth of a second stands for 10.

    ffmpeg's demuxer does so for 0, but lets 1 through, whatever its option min_delay says.
    """

    SHORTEST_S: Final = Fraction(2, 100)
    STANDARD_S: Final = Fraction(10, 100)

    def __init__(self) -> None:
        self._next_s = Fraction(0)

    def read(self, duration_s: Fraction) -> tuple[Fraction, Fraction]:
        """Time and duration of the next picture, in seconds."""
        lasts_s = duration_s if duration_s >= self.SHORTEST_S else self.STANDARD_S
        begins_s, self._next_s = self._next_s, self._next_s + lasts_s
        return begins_s, lasts_s
