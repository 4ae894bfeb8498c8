"""The speech of a dubbing, from any sound file or video: 16 kHz mono for stage 1, unchanged channels for the output."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.container import InputContainer

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.audio_writer import AudioWriter, sound_frames
from heterodub.tasks.media.channels import Channel, best_channel, to_float
from heterodub.tasks.media.containers import has_decoder, open_input, open_sound_file, set_up
from heterodub.tasks.media.paths import open_regular, unreadable
from heterodub.tasks.media.sniff import HEAD_BYTES, Container, sniff
from heterodub.tasks.media.spool import Spool
from heterodub.tasks.media.streams import MOST_STREAMS, picture_streams, ranked_pictures, sound_of, sound_streams
from heterodub.tasks.media.timeline import StreamClock, Timeline, clocks_apart_s
from heterodub.tasks.media.video_frames import decoded

_SOUND_FILES: Final = (
    (rb"(RIFF|RF64)....WAVE", "wav"),
    (rb"fLaC", "flac"),
    (rb"OggS", "ogg"),
    (rb"FORM....AIF[FC]", "aiff"),
    (rb"\xff[\xf0\xf1\xf8\xf9]", "aac"),
    (rb"ID3|\xff[\xe0-\xfe]", "mp3"),
)
"""Sound files by their first bytes, and the one demuxer of ffmpeg that reads each."""

AAC_RATES_HZ: Final = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_STANDARD_RATE_HZ: Final = 48_000

_LAYOUTS: Final = ("mono", "stereo", "5.0", "5.1")
_UNNAMED: Final = {1: "mono", 2: "stereo", 6: "5.1"}
"""Channel layouts that are kept, by name, else, as PCM often has none, by count; any other becomes mono."""

_AUDIBLE: Final = 1e-3
"""Highest level, of full scale 1.0, that a stream must reach to be the speech: -60 dB, a quiet room."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Origin of the times of a file's sound.

    picture: number of its video stream. first_s: time of its first picture.
    """

    form: Container | str
    timeline: Timeline
    picture: int | None
    first_s: Fraction | None

    def zero_s(self, source: InputContainer, sound: int) -> Fraction | None:
        """Time of a sound stream that becomes 0; None: that of its first sample. Nothing else may read the source."""
        if self.first_s is None or self.picture is None or not isinstance(self.form, Container):
            return None
        apart_s = clocks_apart_s(source, source.streams[self.picture], source.streams[sound], self.form)
        return self.first_s + (apart_s or 0)


class SpeechSource:
    """An opened speech, decoded once, onto disk: 16 kHz mono for stage 1, and each channel for the output.

    Its time 0 is that of a video's first picture, else of its own first sample. Use as a context manager.

    seconds: its length. rate_hz, layout: of the output's sound.
    """

    def __init__(
        self, path: Path, limits: LimitSettings, scratch: Path, rate_hz: int | None = None, is_heard: bool = True
    ) -> None:  # fmt: skip
        self._path, self._limits, self._scratch, self._rate_hz = path, limits, scratch, rate_hz
        self._is_heard = is_heard
        self._open_spools = ExitStack()
        self.rate_hz, self.layout = _STANDARD_RATE_HZ, "mono"
        self._mono = self._spool(SAMPLE_RATE_HZ)
        self._channels: list[Spool] = []

    @classmethod
    def open(
        cls, path: Path, limits: LimitSettings, scratch: Path, rate_hz: int | None = None, is_heard: bool = True
    ) -> Self:  # fmt: skip
        """Decode the audible sound stream of a sound file or of a video that ingest would prefer. rate_hz: of the
        output, else the file's own. is_heard: False leaves the output's channels out; there is no `sound` then.

        Raises: MediaRefusedError - it is neither, cannot be read, has no sound, or DISK_FULL.
        """
        speech = cls(path, limits, scratch, rate_hz, is_heard)
        try:
            speech._record(sniff_speech(path))
        except BaseException:
            speech.close()
            raise
        return speech

    @classmethod
    def check(cls, path: Path, limits: LimitSettings, scratch: Path) -> None:
        """Decode the beginning alone, to verify that there is sound.

        Raises: MediaRefusedError - as open.
        """
        with cls(path, limits, scratch) as speech:
            form = sniff_speech(path)
            if not any(speech._decodes(form, number) for number in speech._streams(form)):
                raise _no_sound()

    @property
    def seconds(self) -> Fraction:
        """Length from time 0 to the last sample."""
        return Fraction(max(self._mono.end, 0), SAMPLE_RATE_HZ)

    @property
    def channels(self) -> int:
        """Channels of the output's sound."""
        return AudioLayout(self.layout).nb_channels

    def samples(self, start: int, count: int) -> np.ndarray:
        """(count,) float32, 16 kHz mono, from a sample on; zeros before time 0 and after the end."""
        lead = min(max(-start, 0), count)
        return np.concatenate([np.zeros(lead, np.float32), self._mono.read(start + lead, count - lead)])

    def sound(self, start: int, count: int) -> np.ndarray:
        """(C, count) float32 at `rate_hz` in `layout`, from sample `start` >= 0 on; zeros after the end.

        Sound in floating point that goes over full scale is brought below it as a whole, not cut off.
        """
        channels_CN: np.ndarray = np.stack([spool.read(start, count) for spool in self._channels])
        loudest = max(spool.peak for spool in self._channels)
        return (channels_CN / np.float32(max(loudest, 1.0))).clip(-1.0, 1.0)

    @property
    def peak(self) -> float:
        """Largest magnitude of the sound for stage 1, of full scale."""
        return self._mono.peak

    def close(self) -> None:
        """Free the disk space."""
        self._open_spools.close()

    def _spool(self, rate_hz: int) -> Spool:
        limit = int(self._limits.max_duration_s * rate_hz)
        return self._open_spools.enter_context(Spool(self._scratch, limit))

    def _record(self, form: "Container | str") -> None:
        """Record the first audible sound stream, in the order that ingest prefers them."""
        place = self._place(form)
        for number in self._streams(form):
            self._record_stream(number, place)
            if self._mono.peak >= _AUDIBLE and self._mono.end > 0:
                return
        if self._mono.empty or self._mono.end <= 0:
            raise _no_sound()

    def _decodes(self, form: "Container | str", number: int) -> bool:
        with self._opened(form) as source:
            stream = sound_of(source, number)
            return stream is not None and next(sound_frames(source, stream), None) is not None

    def _record_stream(self, number: int, place: "_Place") -> None:
        self._open_spools.close()
        self._mono, self._channels = self._spool(SAMPLE_RATE_HZ), []
        with self._opened(place.form) as source:
            stream = sound_of(source, number)
            if stream is None:
                return
            channel = best_channel(sound_frames(source, stream))
        with self._opened(place.form) as source:
            zero_s = place.zero_s(source, number)
        recorders: list[AudioWriter] = []
        with self._opened(place.form) as source:
            stream = sound_of(source, number)
            for frame in sound_frames(source, stream) if stream is not None else ():
                try:
                    samples_CN = to_float(frame)
                except (av.error.FFmpegError, ValueError):
                    continue
                if not recorders:
                    recorders = self._recorders(frame, zero_s, channel, lambda: place.timeline.clock(number))
                room = [writer.write(frame, samples_CN) for writer in recorders]
                if not all(room):
                    break
        for writer in recorders:
            writer.finish()

    def _recorders(
        self, first: AudioFrame, zero_s: Fraction | None, channel: Channel | None, clock: Callable[[], StreamClock]
    ) -> list[AudioWriter]:
        """Create one writer for stage 1, and one for each channel of the output."""
        unnamed = _UNNAMED.get(len(first.layout.channels), "mono") if "channels" in first.layout.name else "mono"
        name = first.layout.name.removesuffix("(side)")
        self.layout = name if name in _LAYOUTS else unnamed
        own_hz = first.sample_rate if first.sample_rate in AAC_RATES_HZ else _STANDARD_RATE_HZ
        self.rate_hz = self._rate_hz or own_hz
        if zero_s is None:
            zero_s = (first.pts or 0) * (first.time_base or Fraction(1, first.sample_rate))
        recorded = None if channel is None else channel.number
        self._channels = [self._spool(self.rate_hz) for _ in range(self.channels if self._is_heard else 0)]
        numbers = [recorded] if self.channels == 1 else range(self.channels)
        single = [
            AudioWriter(spool, zero_s, self.rate_hz, number, clock(), whole=True)
            for spool, number in zip(self._channels, numbers, strict=False)
        ]
        return [AudioWriter(self._mono, zero_s, channel=recorded, clock=clock()), *single]

    def _place(self, form: "Container | str") -> "_Place":
        """Origin of a video's sound: time 0 is that of its first picture, so that its own speech stays in sync."""
        if not isinstance(form, Container):
            return _Place(form, Timeline(), None, None)
        with open_input(self._path, form, self._limits.max_pixels) as source:
            ranked = ranked_pictures(picture_streams(source), self._path, form, self._limits.max_pixels)
            sounds = [stream.index for stream in source.streams.audio]
            if not ranked or not has_decoder(ranked[0][0]):
                return _Place(form, Timeline.read(self._path, form, sounds), None, None)
            stream = ranked[0][0]
            set_up(stream, self._limits.max_pixels)
            frame = next(decoded(source, stream, []), None)
            first_s = None if frame is None else (frame.pts or 0) * (frame.time_base or Fraction(1))
            return _Place(form, Timeline.read(self._path, form, [stream.index, *sounds]), stream.index, first_s)

    def _streams(self, form: "Container | str") -> list[int]:
        with self._opened(form) as source:
            streams = sound_streams(source)
            if not streams:
                raise MediaRefusedError(FileReason.NOT_MEDIA, "there is no sound in it")
            if not has_decoder(streams[0]):
                raise MediaRefusedError(FileReason.UNSUPPORTED_CONTAINER, "there is no decoder for its sound")
            return [stream.index for stream in streams[:MOST_STREAMS] if has_decoder(stream)]

    def _opened(self, form: "Container | str") -> AbstractContextManager[InputContainer]:
        if isinstance(form, Container):
            return open_input(self._path, form, self._limits.max_pixels)
        return open_sound_file(self._path, form)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _no_sound() -> MediaRefusedError:
    return MediaRefusedError(FileReason.NOT_MEDIA, "no sound of it decodes")


def sniff_speech(path: Path) -> "Container | str":
    """Detect what a speech is, by content: a video's container, or ffmpeg's name of a sound file's format.

    Raises: MediaRefusedError - it is neither, or cannot be read.
    """
    try:
        if not path.is_file():
            return sniff(path)  # which knows what is wrong with it
        with open_regular(path) as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise unreadable(error) from error
    for prefix, form in _SOUND_FILES:
        if re.match(prefix, head, re.DOTALL):
            return form
    return sniff(path)
