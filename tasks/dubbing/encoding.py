"""Writing of the dubbed video: H.264 and AAC, under its name only once it is complete."""

import math
import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import PictureType

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.model.files import atomic_path, is_disk_full
from heterodub.schemas.config.dubbing import OUTPUT_FORMATS, DubSettings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.carried import CarriedStreams
from heterodub.tasks.dubbing.compositing import CompositedFrame
from heterodub.tasks.dubbing.dialogue import Speech
from heterodub.tasks.dubbing.packets import KeptPicture
from heterodub.tasks.dubbing.passes import PassMonitor, ahead
from heterodub.tasks.media.canvas import PictureFormat
from heterodub.tasks.media.containers import words

_SAME_RATE: Final = 0.02
"""Share by which a claimed rate may differ from the pictures' mean: containers round times."""

_BLOCK: Final = 1024
"""Samples of an AAC frame."""


def encode(
    out: Path,
    frames: Generator[CompositedFrame],
    look: PictureFormat,
    timeline: OutputTimeline,
    speech: Speech,
    comment: str,
    settings: DubSettings,
    monitor: PassMonitor,
    carried: CarriedStreams | None = None,
    keeper: KeptPicture | None = None,
) -> int:
    """Encode frames as they come, with the speech beside them. Returns the number of those that were dubbed.

    The sound begins with the first frame and is as long as the picture. The container follows from the name. comment:
    goes into the file's metadata. carried: further streams. keeper: writes
    the picture where packets of the source are kept.

    Raises: DubbingError - the libraries refuse to write. OSError - there is no room.
    """
    form = OUTPUT_FORMATS[out.suffix.lower()]
    # the index goes to the front, so that a player may begin before it has the whole file
    options = {} if form == "matroska" else {"movflags": "+faststart"}
    with (
        atomic_path(out) as partial,
        _named_errors(out),
        closing(ahead(frames)) as coming,
        av.open(os.fspath(partial), "w", form, options=options) as file,
    ):
        video = keeper or _video_stream(file, look, timeline, settings)
        if keeper is not None:
            keeper.add_to(file)
        file.streams.video[0].disposition = Disposition.default
        voice: Any = file.add_stream("aac", rate=speech.rate_hz, layout=speech.layout)
        voice.bit_rate = settings.sound_kbps * 1000 * speech.channels
        voice.disposition = Disposition.default
        if carried is not None:
            carried.add_to(file, form)
        file.metadata["comment"] = comment
        sound = _Sound(speech, timeline.end_s)
        dubbed = 0
        lasts = dict(zip(timeline.ticks_N.tolist(), timeline.lasts_N.tolist(), strict=True))
        for (tick, duration), composited in zip(lasts.items(), coming, strict=True):
            with monitor("encode"):
                frame = composited.frame
                frame.pict_type = PictureType.NONE  # else the encoder would repeat the source's own choices
                frame.pts, frame.time_base, frame.duration = tick, timeline.base, duration
                file.mux(_lasting(video.encode(frame), lasts))
                for piece in sound.until(tick * timeline.base):
                    file.mux(voice.encode(piece))
                if carried is not None:
                    carried.write(file, tick * timeline.base)
            dubbed += composited.dubbed
            monitor.progress.advance()
        with monitor("encode"):
            for piece in sound.until(timeline.end_s):
                file.mux(voice.encode(piece))
            if carried is not None:
                carried.write(file, timeline.end_s)
            file.mux(_lasting(video.encode(None), lasts))
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


def _lasting(packets: "list[Packet[Any]]", lasts: dict[int, int]) -> "list[Packet[Any]]":
    """Set the durations of packets; encoders leave them open, and the last one's would be lost."""
    for packet in packets:
        if packet.pts is not None:
            packet.duration = lasts.get(packet.pts, packet.duration)
    return packets


def _video_stream(out: OutputContainer, look: PictureFormat, timeline: OutputTimeline, settings: DubSettings) -> Any:
    rate = _rate(look.rate, timeline)
    options = {"preset": settings.preset, "crf": f"{settings.crf:g}"}
    video: Any = out.add_stream("libx264", rate=rate, options=options)
    video.width, video.height, video.pix_fmt = look.width, look.height, look.pix_fmt
    codec = video.codec_context
    codec.time_base = timeline.base
    codec.color_range, codec.colorspace = look.range, look.matrix
    codec.color_primaries, codec.color_trc = look.primaries, look.transfer
    if look.geometry.aspect != 1:
        codec.sample_aspect_ratio = look.geometry.aspect
    if look.display_matrix is not None:
        video.set_display_matrix(look.display_matrix)
    return video


def _rate(claimed: Fraction | None, timeline: OutputTimeline) -> Fraction:
    """Pictures a second that the encoder assumes, for its level and bit rate: their mean, as the source states it.

    A container's clock (1000 a second in Matroska) is at times given for its rate; it would ask for level 6.
    """
    mean = timeline.frames / timeline.end_s
    if claimed and abs(claimed - mean) <= _SAME_RATE * mean:
        return Fraction(claimed)
    return mean.limit_denominator(1001)


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
