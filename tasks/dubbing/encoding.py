"""Writing of the dubbed video: H.264 and AAC, under its name only once it is complete."""

import math
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.model.files import atomic_path, is_disk_full
from heterodub.schemas.config.dubbing import OUTPUT_FORMATS, DubSettings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.carried import CarriedStreams
from heterodub.tasks.dubbing.dialogue import Speech
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.dubbing.picture_encoder import EncodedFrame, PictureEncoder
from heterodub.tasks.media.containers import words

_BLOCK: Final = 1024
"""Samples of an AAC frame."""


def encode(
    out: Path,
    coming: Generator[EncodedFrame],
    picture: PictureEncoder,
    timeline: OutputTimeline,
    speech: Speech,
    comment: str,
    settings: DubSettings,
    monitor: PassMonitor,
    carried: CarriedStreams | None = None,
) -> int:
    """Write frames as they come, with the speech beside them. Returns the number of those that were dubbed.

    The sound begins with the first frame and is as long as the picture. The container follows from the name. comment:
    goes into the file's metadata. carried: further streams. picture: what `coming` comes from, or would have.

    Raises: DubbingError - the libraries refuse to write. OSError - there is no room.
    """
    form = OUTPUT_FORMATS[out.suffix.lower()]
    # the index goes to the front, so that a player may begin before it has the whole file
    options = {} if form == "matroska" else {"movflags": "+faststart"}
    with (
        atomic_path(out) as partial,
        _named_errors(out),
        closing(coming),
        av.open(os.fspath(partial), "w", form, options=options) as file,
    ):
        picture.add_to(file)
        video = _Video(file.streams.video[0], timeline)
        voice: Any = file.add_stream("aac", rate=speech.rate_hz, layout=speech.layout)
        voice.bit_rate = settings.sound_kbps * 1000 * speech.channels
        voice.disposition = Disposition.default
        if carried is not None:
            carried.add_to(file, form)
        file.metadata["comment"] = comment
        sound = _Sound(speech, timeline.end_s)
        dubbed = 0
        times = (tick * timeline.base for tick in [*timeline.ticks_N.tolist(), timeline.end_s / timeline.base])
        for time_s, one in zip(times, coming, strict=True):
            with monitor("encode"):
                file.mux(video.placed(one.packets))
                for piece in sound.until(time_s):
                    file.mux(voice.encode(piece))
                if carried is not None:
                    carried.write(file, time_s)
            dubbed += one.dubbed
        file.mux(voice.encode(None))
    return dubbed


@contextmanager
def _named_errors(out: Path) -> Iterator[None]:
    """Turn errors of the libraries into those of the run, which name the output.

    Raises: DubbingError, OSError - see encode.
    """
    try:
        yield
    except av.error.FFmpegError as error:
        if is_disk_full(error.errno):
            raise OSError(error.errno, error.strerror, str(out)) from error
        raise DubbingError(f"{out} cannot be written: {words(error)}") from error


class _Video:
    """Puts the packets of a picture into a stream of the output."""

    def __init__(self, stream: VideoStream, timeline: OutputTimeline) -> None:
        stream.disposition = Disposition.default
        self._stream = stream
        self._lasts = dict(zip(timeline.ticks_N.tolist(), timeline.lasts_N.tolist(), strict=True))
        self._latest: int | None = None

    def placed(self, packets: "Sequence[Packet[Any]]") -> "list[Packet[Any]]":
        """Set durations, which encoders leave open, and keep decoding times rising where an encoder begins anew: at
        variable rates it may set the first ones before the last of the encoder before. They stay before the times of
        their pictures, for these lie further apart than the pictures that an encoder holds back.
        """
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._lasts.get(packet.pts, packet.duration)
            if packet.dts is not None:
                packet.dts = self._latest = packet.dts if self._latest is None else max(packet.dts, self._latest + 1)
            packet.stream = self._stream
        return list(packets)


class _Sound:
    """The speech in the encoder's frames, cut or lengthened by silence to the length of the output."""

    def __init__(self, speech: Speech, length_s: Fraction) -> None:
        self._speech = speech
        self._samples = max(1, round(length_s * speech.rate_hz))
        self._at = 0

    def until(self, time_s: Fraction) -> Iterator[AudioFrame]:
        """Yield the sound not yielded so far, up to a time."""
        end = min(self._samples, math.ceil(time_s * self._speech.rate_hz))
        while self._at < end:
            count = min(_BLOCK, self._samples - self._at)
            piece = AudioFrame.from_ndarray(self._speech.sound(self._at, count), "fltp", self._speech.layout)
            piece.sample_rate, piece.pts = self._speech.rate_hz, self._at
            piece.time_base = Fraction(1, self._speech.rate_hz)
            self._at += count
            yield piece
