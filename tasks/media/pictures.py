"""Source pictures with their exact times, in order, decoded by PyAV one at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from heapq import heappop, heappush
from typing import Final

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from schemas.contract import FPS

from .colour import BT601, BT709, ColourTags
from .deinterlacing import Deinterlacer
from .frame_converter import FrameConverter
from .geometry import Geometry, PixelAspect
from .opening import words
from .picture_notes import PictureNotes

MAX_DEAD_PACKETS: Final = 1000
"""Packets that may fail to decode before the first picture; a recording that starts mid-way loses a few."""

_WAITING_TIMES: Final = 64
"""Packet times kept for frames that come out later; no codec reorders further."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One source picture. `pixels()` converts it: (H, W, 3) uint8 as displayed."""

    time_s: Fraction
    """Seconds, on the container's clock."""
    duration_s: Fraction
    pixels: Callable[[], np.ndarray]
    geometry: Geometry | None = None
    """Its size and direction, where they may differ from those of its neighbours."""


def decoded(
    source: InputContainer, video: VideoStream, damage: list[str], deinterlacer: Deinterlacer | None = None
) -> Iterator[VideoFrame]:
    """Frames until the end or the first damage after a good frame, whose words are then put into `damage`.

    Damage before the first frame is passed over, up to MAX_DEAD_PACKETS. Combed frames come deinterlaced.
    """
    return (deinterlacer or Deinterlacer()).over(_as_coded(source, video, damage))


def _as_coded(source: InputContainer, video: VideoStream, damage: list[str]) -> Iterator[VideoFrame]:
    times: list[int] = []
    frames = 0
    dead: list[str] = []
    try:
        for packet in source.demux(video):
            try:
                fresh = _decode(packet, times)
            except av.error.EOFError:
                break
            except MemoryError:
                raise  # also an FFmpegError, but it says nothing of the file
            except (av.error.FFmpegError, ValueError) as error:
                dead.append(words(error))
                if frames or len(dead) > MAX_DEAD_PACKETS:
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
    """The pictures of an opened file. Iterate once; `damage` then tells whether and why it ended early."""

    decoder = "pyav"
    is_plain: bool
    """Whether the first picture is shown as any decoder shows it; known once it was read."""

    def __init__(self, source: InputContainer, video: VideoStream, nominal_fps: float | None) -> None:
        self.damage: list[str] = []
        self._source = source
        self._video = video
        self._clock = Clock(_step(nominal_fps))
        self._aspect = PixelAspect(video)
        self._convert = FrameConverter()
        self._deinterlacer = Deinterlacer()
        self._notes = PictureNotes()
        self.is_plain = False
        self._gif_clock = GifClock() if video.codec_context.name == "gif" else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the pictures so far, in words."""
        self._notes.refused_aspect = self._aspect.refused
        self._notes.deinterlaced = self._deinterlacer.count
        return self._notes.lines()

    def __iter__(self) -> Iterator[Picture]:
        for frame in decoded(self._source, self._video, self.damage, self._deinterlacer):
            geometry = self._aspect.geometry(frame)
            if not self._notes.pictures:
                self.is_plain = _is_plain(frame, geometry) and self._aspect.refused is None
            self._notes.add(frame, geometry)
            base = frame.time_base or self._video.time_base or Fraction(1, FPS)
            stated_s = None if frame.pts is None else frame.pts * base
            duration_s = max(frame.duration, 0) * base
            if self._gif_clock is not None:
                stated_s, duration_s = self._gif_clock.read(duration_s)
            pixels = partial(self._convert, frame, geometry)
            yield Picture(self._clock.read(stated_s), duration_s, pixels, geometry)


def _is_plain(frame: VideoFrame, geometry: Geometry) -> bool:
    """Whether a frame is shown as any decoder shows it: upright, square pixels, colours that all know or assume."""
    colours = ColourTags.of(frame)
    assumed = int(frame.colorspace) in (BT709, 5, BT601) or colours.matrix == BT601
    standard = assumed and not (colours.mapped or colours.full or frame.interlaced_frame)
    return standard and geometry == Geometry(frame.width, frame.height) and frame.format.name == "yuv420p"


def _step(nominal_fps: float | None) -> Fraction:
    return 1 / Fraction(nominal_fps).limit_denominator(1001) if nominal_fps and nominal_fps > 1 else Fraction(1, FPS)


class Clock:
    """Makes one line of time out of what damaged and joined files say.

    A missing time is the last one plus a step. A time that runs back by more than RESET_S is the start of a joined
    recording, which follows on; a smaller step back is passed on as it is, for the caller to drop.
    """

    RESET_S: Final = 1

    def __init__(self, step: Fraction) -> None:
        self._step = step
        self._latest: Fraction | None = None
        self._shift = Fraction(0)

    def read(self, stated: Fraction | None) -> Fraction:
        """The time of the next picture, in seconds."""
        if self._latest is None:
            self._latest = stated or Fraction(0)
            return self._latest
        time_s = self._latest + self._step if stated is None else stated + self._shift
        if time_s < self._latest - self.RESET_S:
            self._shift += self._latest + self._step - time_s
            time_s = self._latest + self._step
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
