"""The sound of a file, decoded once, at 16 kHz mono, in step with its pictures."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from model.features.timing import SAMPLES_PER_FRAME
from schemas.contract import SAMPLE_RATE_HZ
from schemas.reasons import MissingCause
from schemas.records import MediaFacts

from .opening import has_decoder, open_input, sound_stream
from .recorder import Recorder, sound_frames
from .sniff import Container
from .spool import Spool

MAX_SOUND_S: Final = 24 * 3600.0
"""Sound beyond this is left out; the same bound as GuardSettings.max_duration_s has by default."""

_NO_PICTURES: Final = 1
"""Pixels a decoder may allocate here: pictures are not decoded while sound is."""


class Sound:
    """Sound by sample number since the first picture. Close it, or use it with `with`, to free its disk space."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sound(
    path: Path,
    container: Container,
    facts: MediaFacts,
    origin_s: float,
    offset_s: float,
    scratch: Path,
    max_s: float = MAX_SOUND_S,
) -> Sound | MissingCause:
    """Decode the first sound stream into `scratch`, or say why there is no sound.

    `origin_s` is the container's time of the first picture, `offset_s` the seconds by which the sound is known to be
    late. Damaged parts are left out as silence. Decoding stops `max_s` after the first picture.

    Raises: MediaRefusedError - VANISHED, UNREADABLE, DISK_FULL, NO_DECODABLE_FRAME (the container no longer opens).
    """
    if facts.sound_streams == 0:
        return MissingCause.NO_SOUND_STREAM
    spool = Spool(scratch, int(max_s * SAMPLE_RATE_HZ))
    try:
        heard = _record(path, container, Fraction(origin_s) + Fraction(offset_s), spool)
    except BaseException:
        spool.close()
        raise
    if not spool.empty:
        return Sound(spool)
    spool.close()
    return MissingCause.NO_SOUND_IN_CLIP if heard else MissingCause.SOUND_UNDECODABLE


def _record(path: Path, container: Container, zero_s: Fraction, spool: Spool) -> bool:
    """Fill the spool; returns whether anything was decoded at all."""
    with open_input(path, container, _NO_PICTURES) as source:
        stream = sound_stream(source)
        if stream is None or not has_decoder(stream):
            return False
        recorder = Recorder(spool, zero_s)
        heard = False
        for frame in sound_frames(source, stream):
            heard = True
            if not recorder.take(frame):
                break
        recorder.finish()
        return heard
