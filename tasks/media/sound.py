"""Sound of a file, decoded once, at 16 kHz mono, in sync with its pictures."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import numpy as np

from heterodub.model.features.timing import SAMPLES_PER_FRAME
from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.schemas.reasons import MissingCause
from heterodub.schemas.records import MediaFacts

from .audio_writer import AudioWriter, sound_frames
from .channels import Channel, best_channel
from .containers import NO_PICTURES, open_input
from .sniff import Container
from .spool import Spool, holds_floats
from .streams import picture_of, sound_of, used_streams
from .timeline import Timeline, clocks_apart_s

MAX_SOUND_S: Final = 24 * 3600.0
"""Sound beyond this is left out; the same bound as LimitSettings.max_duration_s has by default."""


class Sound:
    """Sound by sample number since the first picture. Close it, or use it with `with`, to free its disk space."""

    def __init__(self, spool: Spool, channel: Channel | None = None, ahead_s: Fraction | None = None) -> None:
        self._spool = spool
        self.ahead_s = ahead_s
        """Seconds that its clock was ahead of the picture's, where both were assumed to begin together."""
        self.channel = channel
        """The channel that was recorded; None: all of them, mixed."""

    def read(self, start_sample: int, count: int) -> np.ndarray:
        """(count,) float32, full scale 1.0; zeros outside the recorded sound."""
        return self._spool.read(start_sample, count)

    def covers(self, start_sample: int, count: int) -> float:
        """Share of the span that lies inside the recorded sound, 0 to 1."""
        return self._spool.covered(start_sample, count) / count if count > 0 else 0.0

    def clipping_share(self, start_sample: int, count: int) -> float:
        """Share of the 40 ms pieces touched by the span that hold flat peaks at full scale, in any channel."""
        if count <= 0:
            return 0.0
        first, last = start_sample // SAMPLES_PER_FRAME, (start_sample + count - 1) // SAMPLES_PER_FRAME
        return self._spool.clipped(first, last) / (last - first + 1)

    def close(self) -> None:
        """Free the disk space."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_sound(
    path: Path,
    container: Container,
    facts: MediaFacts,
    origin_s: float,
    offset_s: float,
    scratch: Path,
    max_s: float = MAX_SOUND_S,
    timeline: Timeline | None = None,
    stream: int | None = None,
    until_s: float = MAX_SOUND_S,
) -> Sound | MissingCause:
    """Decode a sound stream, by default that of `facts`, into `scratch`, or return why there is no sound.

    `origin_s` is the time of the first picture, `offset_s` the seconds by which the sound is known to be late. Damaged
    parts are left out as silence. Decoding stops `max_s` after the first picture, or `until_s` after
    it if anything was recorded by then: a film has sound or has none, however little of it is needed. `timeline`: as
    for open_video.

    Raises: MediaRefusedError - VANISHED, UNREADABLE, DISK_FULL, NO_DECODABLE_FRAME (the container no longer opens).
    """
    if facts.sound_streams == 0:
        return MissingCause.NO_SOUND_STREAM
    number = facts.sound_stream if stream is None else stream
    timeline = timeline or Timeline.read(path, container, used_streams(facts))
    with open_input(path, container, NO_PICTURES) as source:
        sound = sound_of(source, number)
        if sound is None or number is None:
            return MissingCause.SOUND_UNDECODABLE
        is_float = holds_floats(sound)
        channel = best_channel(sound_frames(source, sound))
    with open_input(path, container, NO_PICTURES) as source:
        ahead_s = clocks_apart_s(source, picture_of(source, facts), source.streams[number], container)
    spool = Spool(scratch, int(max_s * SAMPLE_RATE_HZ))
    try:
        writer = AudioWriter(
            spool,
            Fraction(origin_s) + Fraction(offset_s) + (ahead_s or 0),
            channel=None if channel is None else channel.number,
            clock=timeline.clock(number),
            is_float=is_float,
        )
        has_frames = _record(path, container, number, writer, lambda: spool.end >= until_s * SAMPLE_RATE_HZ)
    except BaseException:
        spool.close()
        raise
    if not spool.empty:
        return Sound(spool, channel, ahead_s)
    spool.close()
    return MissingCause.NO_SOUND_IN_CLIP if has_frames else MissingCause.SOUND_UNDECODABLE


def _record(
    path: Path, container: Container, number: int | None, writer: AudioWriter, is_enough: Callable[[], bool]
) -> bool:
    """Record a stream; return True if anything was decoded at all."""
    with open_input(path, container, NO_PICTURES) as source:
        stream = sound_of(source, number)
        if stream is None:
            return False
        has_frames = False
        for frame in sound_frames(source, stream):
            has_frames = True
            if not writer.write(frame) or is_enough():
                break
        writer.finish()
        return has_frames
