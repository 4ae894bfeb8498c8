"""Choice of the streams of a file: pictures that move, and sound that is meant for everyone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av.error
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import MediaFacts, StreamFacts
from heterodub.tasks.quality.picture import is_still

from .containers import has_decoder, open_input, set_up
from .sniff import Container
from .timeline import MICROSECONDS

MIN_SIDE_PX: Final = 16
"""Shortest side of a picture, in pixels, in which a face can be measured."""

MOVES_HZ: Final = 4.0
"""Pictures a second that differ from the one before, from which a stream is film: half of what stage 2 requires. A
slide show changes once in seconds, a cover never, a shared screen while somebody scrolls."""

MOST_STREAMS: Final = 4
"""Streams of a kind that are examined; a file with more is no recording of one talker."""

PICTURE: Final = "picture"
SOUND: Final = "sound"

_MOST_TRIED: Final = 2

_MOST_WORDS: Final = 100
"""Characters kept of a title: containers may hold books."""

_LOOK_S: Final = 2.0
_LOOK_PICTURES: Final = 60
_LOOK_PACKETS: Final = 4000
"""Examined so long in each place: an intro may stand still, so places are the start, a third and two thirds."""

_LOOK_PX: Final = 160
_PLACES: Final = (0.0, 1 / 3, 2 / 3)
_ONE_LOOK_S: Final = 30.0
"""Shorter files are examined in one place."""

_NOT_A_PICTURE_TRACK: Final = Disposition.attached_pic | Disposition.timed_thumbnails
_NOT_THE_SCENE: Final = Disposition.comment | Disposition.visual_impaired | Disposition.karaoke | Disposition.lyrics
"""Sound laid over a film for some listeners: commentary, description, the song without its voice."""


def picture_streams(source: InputContainer) -> list[VideoStream]:
    """Video streams, best first by what the headers say: default flag, then area. Covers and thumbnails are none."""
    real = [stream for stream in source.streams.video if not stream.disposition & _NOT_A_PICTURE_TRACK]
    return sorted(real, key=lambda stream: (-_is_default(stream), -_area(stream), stream.index))


def sound_streams(source: InputContainer) -> list[AudioStream]:
    """Sound streams, best first: with a decoder, of the scene itself, default flag, as they come."""
    return sorted(
        source.streams.audio,
        key=lambda stream: (
            not has_decoder(stream),
            bool(stream.disposition & _NOT_THE_SCENE),
            -_is_default(stream),
            stream.index,
        ),
    )


def default_stands_out(streams: Sequence[Stream]) -> bool:
    """Return True if the first of several streams, and no other, is flagged as the default one."""
    flagged = [stream for stream in streams if _is_default(stream)]
    return len(streams) > 1 and flagged == [streams[0]]


def other_films(facts: MediaFacts) -> list[int]:
    """Numbers of the video streams that are tried where the best shows no talker: those that move, at most two."""
    moving = [
        stream.stream
        for stream in facts.streams
        if stream.kind == PICTURE and not stream.used and (stream.changes_hz or 0.0) >= MOVES_HZ
    ]
    return moving[:_MOST_TRIED]


def picture_of(source: InputContainer, facts: MediaFacts) -> VideoStream:
    """The video stream that `probe` chose.

    Raises: MediaRefusedError - NO_VIDEO_STREAM: the container holds others now.
    """
    stream = _stream(source, facts.picture_stream)
    if not isinstance(stream, VideoStream):
        raise MediaRefusedError(FileReason.NO_VIDEO_STREAM)
    return stream


def used_streams(facts: MediaFacts) -> list[int]:
    """Numbers of the streams whose times are compared: the picture and every sound."""
    return [facts.picture_stream, *(stream.stream for stream in facts.streams if stream.kind == SOUND)]


def sound_of(source: InputContainer, number: int | None) -> AudioStream | None:
    """The sound stream of this number, or None when there is none that decodes."""
    stream = _stream(source, number)
    return stream if isinstance(stream, AudioStream) and has_decoder(stream) else None


def ranked_pictures(
    streams: Sequence[VideoStream], path: Path, container: Container, max_pixels: int
) -> list[tuple[VideoStream, float | None]]:
    """Video streams, best first, each with its changes a second; None where there is no other to compare with.

    Film before what stands still, then the default flag, then the area. Streams that cannot be decoded, or whose
    pictures are too small, or larger than `max_pixels`, come last.
    """
    if len(streams) < 2:
        return [(stream, None) for stream in streams]
    usable = [stream for stream in streams if _fits(stream, max_pixels)][:MOST_STREAMS]
    changes = changes_hz(path, container, [stream.index for stream in usable], max_pixels)
    order = sorted(
        range(len(streams)),
        key=lambda at: (streams[at] not in usable, changes.get(streams[at].index, 0.0) < MOVES_HZ, at),
    )
    return [(streams[at], changes.get(streams[at].index)) for at in order]


def changes_hz(path: Path, container: Container, numbers: Sequence[int], max_pixels: int) -> dict[int, float]:
    """Pictures a second that differ from the one before, by stream number, where the stream moves most.

    Examines two seconds in up to three places.

    Raises: MediaRefusedError - as open_input.
    """
    most = dict.fromkeys(numbers, 0.0)
    with open_input(path, container, max_pixels) as source:
        for stream in (source.streams[number] for number in numbers):
            if isinstance(stream, VideoStream):
                set_up(stream, max_pixels)
        length_s = (source.duration or 0) / MICROSECONDS
        for place in _PLACES if length_s > _ONE_LOOK_S else _PLACES[:1]:
            try:
                if place:
                    source.seek((source.start_time or 0) + int(place * length_s * MICROSECONDS))
                looks = _sample_streams(source, numbers)
            except (av.error.FFmpegError, OSError, ValueError):
                break
            seconds = max((look.seconds for look in looks.values()), default=0.0)
            for number, look in looks.items():
                most[number] = max(most[number], look.changes / max(seconds, 0.5))
    return most


@dataclass(slots=True)
class _StreamSample:
    """Pictures and changes counted in one stream in one place."""

    first_s: Fraction | None = None
    last_s: Fraction = Fraction(0)
    pictures: int = 0
    changes: int = 0
    before: np.ndarray | None = None
    reformatter: VideoReformatter = field(default_factory=VideoReformatter)

    @property
    def seconds(self) -> float:
        return float(self.last_s - self.first_s) if self.first_s is not None else 0.0

    def add(self, packet: "Packet[Stream]") -> None:
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is not None and packet.size:
            self.last_s = stamp * packet.time_base
            self.first_s = self.last_s if self.first_s is None else min(self.first_s, self.last_s)
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):
            return
        for frame in frames:
            if not isinstance(frame, VideoFrame):
                continue
            scale = min(1.0, _LOOK_PX / max(frame.width, frame.height))
            size = max(2, int(frame.width * scale)), max(2, int(frame.height * scale))
            small = self.reformatter.reformat(frame, *size, "rgb24", threads=1).to_ndarray().astype(np.uint8)
            grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
            self.pictures += 1
            self.changes += self.before is not None and not is_still(self.before, grey)
            self.before = grey


def _sample_streams(source: InputContainer, numbers: Sequence[int]) -> dict[int, _StreamSample]:
    """Decode all these streams side by side until one has shown enough; the others are given the same time."""
    looks = {number: _StreamSample() for number in numbers}
    for count, packet in enumerate(source.demux([source.streams[number] for number in numbers])):
        look = looks[packet.stream.index]
        look.add(packet)
        if look.seconds >= _LOOK_S or look.pictures >= _LOOK_PICTURES or count >= _LOOK_PACKETS:
            break
    return looks


def stream_facts(
    source: InputContainer, ranked: Sequence[tuple[VideoStream, float | None]], used_sound: AudioStream | None
) -> tuple[StreamFacts, ...]:
    """Every stream that may be used, as stored; the first of `ranked` and `used_sound` are."""
    changes = {stream.index: hertz for stream, hertz in ranked}
    used = {ranked[0][0].index, -1 if used_sound is None else used_sound.index}
    streams: list[Stream] = [stream for stream, _ in ranked]
    streams += source.streams.audio
    return tuple(
        StreamFacts(
            stream=stream.index,
            kind=PICTURE if isinstance(stream, VideoStream) else SOUND,
            codec=stream.codec_context.name if stream.codec_context is not None else None,
            is_default=bool(_is_default(stream)),
            language=_words(stream, "language"),
            title=_words(stream, "title"),
            changes_hz=changes.get(stream.index),
            av_sync_score=None,
            rate_hz=_number(stream, "sample_rate"),
            channels=_number(stream, "channels"),
            used=stream.index in used,
        )
        for stream in sorted(streams, key=lambda stream: stream.index)
    )


def _stream(source: InputContainer, number: int | None) -> Stream | None:
    return source.streams[number] if number is not None and number < len(source.streams) else None


def _number(stream: Stream, name: str) -> int | None:
    return getattr(stream.codec_context, name, None) or None


def _words(stream: Stream, name: str) -> str | None:
    return stream.metadata.get(name, "")[:_MOST_WORDS] or None


def _is_default(stream: Stream) -> int:
    return int(bool(stream.disposition & Disposition.default))


def _area(stream: VideoStream) -> int:
    return stream.codec_context.width * stream.codec_context.height if has_decoder(stream) else -1


def _fits(stream: VideoStream, max_pixels: int) -> bool:
    if not has_decoder(stream):
        return False
    return min(stream.codec_context.width, stream.codec_context.height) >= MIN_SIDE_PX and _area(stream) <= max_pixels
