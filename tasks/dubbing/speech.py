"""The speech of a dubbing: any sound file or video, for stage 1 at 16 kHz mono, for the output as it came."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from schemas.contract import SAMPLE_RATE_HZ
from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason
from schemas.settings import GuardSettings
from tasks.media.opening import has_decoder, open_input, open_sound_file, picture_stream, set_up, sound_stream
from tasks.media.pictures import decoded
from tasks.media.recorder import Recorder, sound_frames
from tasks.media.sniff import HEAD_BYTES, Container, sniff, unreadable
from tasks.media.spool import Spool

_SOUND_FILES: Final = (
    (rb"(RIFF|RF64)....WAVE", "wav"),
    (rb"fLaC", "flac"),
    (rb"OggS", "ogg"),
    (rb"FORM....AIF[FC]", "aiff"),
    (rb"\xff[\xf0\xf1\xf8\xf9]", "aac"),
    (rb"ID3|\xff[\xe0-\xfe]", "mp3"),
)
"""Sound files by their first bytes, and the one demuxer of ffmpeg that each is given to."""

AAC_RATES_HZ: Final = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_STANDARD_RATE_HZ: Final = 48_000

_LAYOUTS: Final = {
    "mono": "mono",
    "stereo": "stereo",
    "5.0": "5.0",
    "5.0(side)": "5.0",
    "5.1": "5.1",
    "5.1(side)": "5.1",
}
_UNNAMED: Final = {1: "mono", 2: "stereo", 6: "5.1"}
"""Channel layouts that are kept, by name, else, as PCM often has none, by count; any other becomes mono."""

_PEAK_BLOCK: Final = 1 << 18
"""Samples that are looked at at once."""

_CHANNELS: Final = {"mono": 1, "stereo": 2, "5.0": 5, "5.1": 6}


class Speech:
    """An opened speech, decoded once, onto disk: 16 kHz mono for stage 1, and each channel for the output.

    Its time 0 is that of a video's first picture, else of its own first sample. Use as a context manager.

    seconds: its length. rate_hz, layout: of the output's sound.
    """

    def __init__(self, path: Path, guards: GuardSettings, scratch: Path) -> None:
        self._path, self._guards, self._scratch = path, guards, scratch
        self._open_spools = ExitStack()
        self.rate_hz, self.layout = _STANDARD_RATE_HZ, "mono"
        self._mono = self._spool(SAMPLE_RATE_HZ)
        self._channels: list[Spool] = []

    @classmethod
    def open(cls, path: Path, guards: GuardSettings, scratch: Path) -> Self:
        """Decode a sound file's, or a video's, first sound stream.

        Raises: MediaRefusedError - it is neither, cannot be read, has no sound, or DISK_FULL.
        """
        speech = cls(path, guards, scratch)
        try:
            speech._record(sniff_speech(path))
        except BaseException:
            speech.close()
            raise
        return speech

    @classmethod
    def check(cls, path: Path, guards: GuardSettings, scratch: Path) -> None:
        """Decode the beginning alone, to see that there is sound.

        Raises: MediaRefusedError - as open.
        """
        with cls(path, guards, scratch) as speech, speech._opened(sniff_speech(path)) as (source, stream):
            if next(sound_frames(source, stream), None) is None:
                raise _nothing_heard()

    @property
    def seconds(self) -> Fraction:
        """Length from time 0 to the last sample."""
        return Fraction(max(self._mono.end, 0), SAMPLE_RATE_HZ)

    @property
    def channels(self) -> int:
        """Channels of the output's sound."""
        return _CHANNELS[self.layout]

    def samples(self, start: int, count: int) -> np.ndarray:
        """(count,) float32, 16 kHz mono, from a sample on; zeros before time 0 and after the end."""
        lead = min(max(-start, 0), count)
        return np.concatenate([np.zeros(lead, np.float32), self._mono.read(start + lead, count - lead)])

    def sound(self, start: int, count: int) -> np.ndarray:
        """(C, count) float32 at `rate_hz` in `layout`, from sample `start` >= 0 on; zeros after the end."""
        channels_CN: np.ndarray = np.stack([spool.read(start, count) for spool in self._channels])
        return channels_CN.clip(-1.0, 1.0)

    @property
    def peak(self) -> float:
        """Largest magnitude of what stage 1 hears, of full scale."""
        blocks = range(0, max(self._mono.end, 0), _PEAK_BLOCK)
        return max((float(np.abs(self.samples(start, _PEAK_BLOCK)).max()) for start in blocks), default=0.0)

    def close(self) -> None:
        """Give the disk back."""
        self._open_spools.close()

    def _spool(self, rate_hz: int) -> Spool:
        limit = int(self._guards.max_duration_s * rate_hz)
        return self._open_spools.enter_context(Spool(self._scratch, limit))

    def _record(self, form: "Container | str") -> None:
        zero_s = self._first_picture_s(form) if isinstance(form, Container) else None
        recorders: list[Recorder] = []
        with self._opened(form) as (source, stream):
            for frame in sound_frames(source, stream):
                if not recorders:
                    recorders = self._recorders(frame, zero_s)
                room = [recorder.take(frame) for recorder in recorders]
                if not all(room):
                    break
        for recorder in recorders:
            recorder.finish()
        if self._mono.empty or self._mono.end <= 0:
            raise _nothing_heard()

    def _recorders(self, first: AudioFrame, zero_s: Fraction | None) -> list[Recorder]:
        """One for stage 1, one for each channel of the output."""
        unnamed = _UNNAMED.get(len(first.layout.channels), "mono") if "channels" in first.layout.name else "mono"
        self.layout = _LAYOUTS.get(first.layout.name, unnamed)
        self.rate_hz = first.sample_rate if first.sample_rate in AAC_RATES_HZ else _STANDARD_RATE_HZ
        if zero_s is None:
            zero_s = (first.pts or 0) * (first.time_base or Fraction(1, first.sample_rate))
        self._channels = [self._spool(self.rate_hz) for _ in range(self.channels)]
        numbers = [None] if self.channels == 1 else range(self.channels)
        single = [
            Recorder(spool, zero_s, self.rate_hz, number) for spool, number in zip(self._channels, numbers, strict=True)
        ]
        return [Recorder(self._mono, zero_s), *single]

    def _first_picture_s(self, container: Container) -> Fraction | None:
        """Time of the first picture, so that a video's own speech stays in sync; None where there is no picture."""
        with open_input(self._path, container, self._guards.max_pixels) as source:
            stream = picture_stream(source)
            if stream is None or not has_decoder(stream):
                return None
            set_up(stream, self._guards.max_pixels)
            frame = next(decoded(source, stream, []), None)
            if frame is None:
                return None
            return (frame.pts or 0) * (frame.time_base or Fraction(1))

    @contextmanager
    def _opened(self, form: "Container | str") -> Iterator[tuple[InputContainer, AudioStream]]:
        opened = (
            open_input(self._path, form, self._guards.max_pixels)
            if isinstance(form, Container)
            else open_sound_file(self._path, form)
        )
        with opened as source:
            stream = sound_stream(source)
            if stream is None:
                raise MediaRefusedError(FileReason.NOT_MEDIA, "there is no sound in it")
            if not has_decoder(stream):
                raise MediaRefusedError(FileReason.UNSUPPORTED_CONTAINER, "there is no decoder for its sound")
            yield source, stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nothing_heard() -> MediaRefusedError:
    return MediaRefusedError(FileReason.NOT_MEDIA, "no sound of it decodes")


def sniff_speech(path: Path) -> "Container | str":
    """What a speech is, by content: a video's container, or ffmpeg's name of a sound file's format.

    Raises: MediaRefusedError - it is neither, or cannot be read.
    """
    try:
        if not path.is_file():
            return sniff(path)  # which knows what is wrong with it
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise unreadable(error) from error
    for prefix, form in _SOUND_FILES:
        if re.match(prefix, head, re.DOTALL):
            return form
    return sniff(path)
