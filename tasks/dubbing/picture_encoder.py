"""Encoding of an output's picture, a section at a time: x264 begins anew with each (`dub.section_frames`), and with a
fixed number of threads. So the packets of a section follow from its frames alone, on any machine.
"""

import pickle
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.schemas.config.dubbing import DubSettings
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.media.canvas import PictureFormat
from heterodub.tasks.media.paths import open_regular

if TYPE_CHECKING:  # it brings torch, which those who check a job do not need
    from heterodub.tasks.dubbing.compositing import CompositedFrame

GLOBAL_HEADER: Final = 1 << 22
"""ffmpeg's flag by which an encoder puts parameter sets into its header and into no packet."""

_THREADS: Final = 2
"""x264 cuts pictures into so many slices: their number is part of the output, so it is not that of the cores."""

_SAME_RATE: Final = 0.02
"""Share by which a claimed rate may differ from the pictures' mean: containers round times."""


class PictureEncoder(Protocol):
    """Packets of an output's picture. `add_to` comes before the first packet is written."""

    def add_to(self, out: OutputContainer) -> None:
        """Add the picture's stream to an output that is not begun."""

    def encode(self, frame: VideoFrame | None) -> "list[Packet[Any]]":
        """Take the next frame; return the packets that are ready. None: the end."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """Packets that are ready when a frame has been encoded. dubbed: a generated face shows in the frame."""

    packets: "Sequence[Packet[Any]]"
    dubbed: bool


class SectionEncoder:
    """Encodes frames by x264, from a frame of the output on."""

    def __init__(self, look: PictureFormat, timeline: OutputTimeline, settings: DubSettings, first: int = 0) -> None:
        self._look, self._timeline, self._settings = look, timeline, settings
        self._rate = _rate(look.rate, timeline)
        self._at = first
        self._encoder: VideoCodecContext | None = None

    def add_to(self, out: OutputContainer) -> None:
        """Add the picture's stream to an output that is not begun."""
        stream: VideoStream = out.add_stream("libx264", rate=self._rate, options=self._options)
        self._describe(stream.codec_context)
        if self._look.display_matrix is not None:
            stream.set_display_matrix(self._look.display_matrix)

    def encode(self, frame: VideoFrame | None) -> "list[Packet[Any]]":
        """Take the next frame; return the packets that are ready. None: the end."""
        begins = frame is None or self._at % self._settings.section_frames == 0
        packets = self._finished() if begins else []
        if frame is not None:
            self._encoder = self._encoder or self._opened()
            packets += self._encoder.encode(frame)
            self._at += 1
        for packet in packets:
            packet.time_base = self._timeline.base
        return packets

    def _finished(self) -> "list[Packet[Any]]":
        encoder, self._encoder = self._encoder, None
        return [] if encoder is None else list(encoder.encode(None))

    def _opened(self) -> VideoCodecContext:
        encoder = VideoCodecContext.create("libx264", "w")
        encoder.framerate, encoder.options = self._rate, self._options
        self._describe(encoder)
        encoder.flags |= GLOBAL_HEADER
        return encoder

    @property
    def _options(self) -> dict[str, str]:
        return {"preset": self._settings.preset, "crf": f"{self._settings.crf:g}"}

    def _describe(self, codec: VideoCodecContext) -> None:
        look = self._look
        codec.width, codec.height, codec.pix_fmt = look.width, look.height, look.pix_fmt
        codec.time_base, codec.thread_count = self._timeline.base, _THREADS
        codec.color_range, codec.colorspace = look.range, look.matrix
        codec.color_primaries, codec.color_trc = look.primaries, look.transfer
        if look.geometry.aspect != 1:
            codec.sample_aspect_ratio = look.geometry.aspect


def encoded(
    frames: "Iterable[CompositedFrame]",
    encoder: PictureEncoder,
    timeline: OutputTimeline,
    monitor: PassMonitor,
    numbers: range | None = None,
) -> Generator[EncodedFrame]:
    """Yield the packets of each frame, and at the end those that the encoder still held. numbers: of the frames in the
    output, else all.
    """
    for number, composited in zip(numbers or range(timeline.frames), frames, strict=True):
        with monitor("encode"):
            frame = composited.frame
            frame.pict_type = PictureType.NONE  # else the encoder would repeat the source's own choices
            frame.pts, frame.time_base = int(timeline.ticks_N[number]), timeline.base
            frame.duration = int(timeline.lasts_N[number])
            packets = encoder.encode(frame)
        yield EncodedFrame(packets, composited.dubbed)
        monitor.progress.advance()
    with monitor("encode"):
        packets = encoder.encode(None)
    yield EncodedFrame(packets, False)


def store(path: Path, coming: Iterable[EncodedFrame]) -> None:
    """Write encoded frames into a file of this program's own. Raises: OSError - there is no room."""
    with path.open("wb") as file:
        for one in coming:
            packets = [(packet.pts, packet.dts, packet.is_keyframe, bytes(packet)) for packet in one.packets]
            pickle.dump((one.dubbed, packets), file)


def stored(paths: Iterable[Path], base: Fraction) -> Generator[EncodedFrame]:
    """Yield the encoded frames of consecutive stored files, as `encoded` would of all of their frames. To be called in
    a sandbox alone: what lies in the files is unpickled.

    Raises: MediaRefusedError - VANISHED, UNREADABLE.
    """
    held: list[Packet[Any]] = []  # what an encoder held at the end of a file comes with the next frame
    for path in paths:
        for dubbed, packets, is_last in _records(path, base):
            if is_last:
                held = packets
            else:
                yield EncodedFrame([*held, *packets], dubbed)
                held = []
    yield EncodedFrame(held, False)


def _records(path: Path, base: Fraction) -> "Iterator[tuple[bool, list[Packet[Any]], bool]]":
    with open_regular(path) as file:
        record = pickle.load(file)
        while record is not None:
            try:
                following = pickle.load(file)
            except EOFError:
                following = None
            yield record[0], [_packet(base, *packet) for packet in record[1]], following is None
            record = following


def _packet(base: Fraction, pts: int, dts: int, is_keyframe: bool, data: bytes) -> "Packet[Any]":
    packet: Packet[Any] = Packet(data)
    packet.pts, packet.dts, packet.time_base, packet.is_keyframe = pts, dts, base, is_keyframe
    return packet


def _rate(claimed: Fraction | None, timeline: OutputTimeline) -> Fraction:
    """Pictures a second that the encoder assumes, for its level and bit rate: their mean, as the source states it.

    A container's clock (1000 a second in Matroska) is at times given for its rate; it would ask for level 6.
    """
    mean = timeline.frames / timeline.end_s
    if claimed and abs(claimed - mean) <= _SAME_RATE * mean:
        return Fraction(claimed)
    return mean.limit_denominator(1001)
