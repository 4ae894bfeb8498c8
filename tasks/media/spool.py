"""Mono sound on disk, addressed by its sample number since the first picture; holes are silence.

Clipping is marked in it: flat tops at full scale, and in floating point at whatever level they were cut.
"""

import os
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Final, Self

import numpy as np
from av.audio.stream import AudioStream

from heterodub.model.features.timing import SAMPLES_PER_FRAME
from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason

from .paths import disk_trouble

LEAD_SAMPLES: Final = SAMPLE_RATE_HZ
"""Sound before the first picture that is kept: a second, for windows that reach over the start."""

_BYTES: Final = 4
"""Of a float32 sample."""


class Spool:
    """A nameless file in `scratch` (it vanishes with the process), the spans it covers, and the clipped pieces.

    A piece is the sound of one video frame: 40 ms, SAMPLES_PER_FRAME samples.
    """

    def __init__(self, scratch: Path, limit_samples: int) -> None:
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed by close()
        self._limit = limit_samples
        self._starts = array("q")
        self._ends = array("q")
        self._clipped = bytearray()
        self.peak = 0.0
        """Highest level of a recorded sample, full scale 1.0."""

    @property
    def end(self) -> int:
        """One past the last recorded sample; 0 when nothing was recorded."""
        return self._ends[-1] if self._ends else 0

    @property
    def empty(self) -> bool:
        """True if nothing was recorded."""
        return not self._ends

    def write(self, start: int, samples: np.ndarray) -> bool:
        """Record float32 `samples` (N,) from sample `start`, which must not lie before what was recorded last.

        What lies before LEAD_SAMPLES or beyond the limit is left out. Returns whether there is room for more.

        Raises: MediaRefusedError - DISK_FULL.
        """
        skipped = max(-LEAD_SAMPLES - start, self.end - start if self._ends else 0, 0)
        recorded = samples[skipped : max(self._limit - start, 0)]
        if len(recorded):
            self.peak = max(self.peak, float(np.abs(recorded).max()))
            self._put(start + skipped, np.ascontiguousarray(recorded, np.float32).tobytes())
            self._cover(start + skipped, start + skipped + len(recorded))
        return start + len(samples) < self._limit

    def read(self, start: int, count: int) -> np.ndarray:
        """(count,) float32 from sample `start`; zeros where nothing was recorded."""
        out = np.zeros(count, np.float32)
        first = max(start, -LEAD_SAMPLES)
        available = min(start + count, self.end) - first
        if available > 0:
            raw = os.pread(self._file.fileno(), available * _BYTES, (first + LEAD_SAMPLES) * _BYTES)
            recorded = np.frombuffer(raw, np.float32)
            out[first - start : first - start + len(recorded)] = recorded
        return out

    def covered(self, start: int, count: int) -> int:
        """Samples of the span that were recorded."""
        stop, total = start + count, 0
        for at in range(bisect_right(self._ends, start), bisect_left(self._starts, stop)):
            total += min(stop, self._ends[at]) - max(start, self._starts[at])
        return total

    def mark_clipped(self, pieces: np.ndarray) -> None:
        """Note pieces (40 ms, by number since the first picture) that hold flat peaks."""
        for piece in np.unique(pieces):
            if 0 <= piece * SAMPLES_PER_FRAME < self._limit:
                if piece >= len(self._clipped):
                    self._clipped.extend(bytes(int(piece) + 1 - len(self._clipped)))
                self._clipped[piece] = 1

    def clipped(self, first: int, last: int) -> int:
        """Number of the pieces first..last (inclusive) that hold flat peaks."""
        return sum(self._clipped[max(first, 0) : max(last + 1, 0)])

    def close(self) -> None:
        """Free the disk space."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, start: int, raw: bytes) -> None:
        try:
            self._file.seek((start + LEAD_SAMPLES) * _BYTES)
            self._file.write(raw)
            self._file.flush()  # reads go around the buffer
        except OSError as error:
            raise (disk_trouble(error) or MediaRefusedError(FileReason.INTERNAL_ERROR, str(error))) from error

    def _cover(self, start: int, end: int) -> None:
        if self._ends and self._ends[-1] == start:
            self._ends[-1] = end
        else:
            self._starts.append(start)
            self._ends.append(end)


FULL_SCALE: Final = 0.999
"""Share of full scale from which a sample may be clipped."""

FLAT_SAMPLES: Final = 3
"""So many such samples in a row make a flat peak; a single loud sample does not."""

_SAME: Final = 1e-6
"""Samples of a flat top differ by no more, relative to it; the crest of a 100 Hz sine at 48 kHz does by 1e-4."""

_AT_TOP: Final = 0.9999
"""Share of the highest level of a channel from which a top is cut off at it."""

_TOPS: Final = 3
"""So many flat places at the same highest level are no chance; one is the crest of a slow wave."""

_LEAST_LEVEL: Final = 0.05
"""A recording whose highest level is below this was not cut by anything that clips."""


class ClippingMarks:
    """Marks the clipped 40 ms pieces of a recording in its spool.

    Codecs that hold whole numbers cannot go over full scale, and those that lose detail came from some that could not:
    there, flat peaks at full scale are what counts. PCM in floating point goes over it unharmed, and may have been cut
    below it: there, tops that are exactly flat count, at the highest level that occurs.
    """

    def __init__(self, spool: Spool, is_float: bool) -> None:
        self._spool = spool
        self._is_float = is_float
        self._tail = np.zeros((0, FLAT_SAMPLES - 1), np.float32)
        self._highest_C = np.zeros(0)
        self._tops: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, samples_CN: np.ndarray, begins_s: float, rate_hz: int) -> None:
        """Examine samples that begin `begins_s` after the first picture."""
        if len(self._tail) != len(samples_CN):
            self.end()
            self._highest_C = np.zeros(len(samples_CN))
            self._tail = np.zeros((len(samples_CN), FLAT_SAMPLES - 1), np.float32)
        joined_CN = np.concatenate([self._tail, samples_CN], axis=1)
        self._tail = joined_CN[:, 1 - FLAT_SAMPLES :]
        if not self._is_float:
            if max(samples_CN.max(initial=0), -samples_CN.min(initial=0)) >= FULL_SCALE:
                windows_CNW = np.lib.stride_tricks.sliding_window_view(joined_CN, FLAT_SAMPLES, axis=1)
                flat_CN = (windows_CNW >= FULL_SCALE).all(axis=-1) | (windows_CNW <= -FULL_SCALE).all(axis=-1)
                self._spool.mark_clipped(_pieces(np.flatnonzero(flat_CN.any(axis=0)), begins_s, rate_hz))
            return
        windows_CNW = np.lib.stride_tricks.sliding_window_view(joined_CN, FLAT_SAMPLES, axis=1)
        self._highest_C = np.maximum(self._highest_C, np.abs(samples_CN).max(axis=1))
        level_CN = np.abs(windows_CNW[..., -1])
        same_CN = np.ptp(windows_CNW, axis=-1) <= _SAME * level_CN
        least_C = np.maximum(_LEAST_LEVEL, _AT_TOP * self._highest_C)
        channels, places = np.nonzero(same_CN & (level_CN >= least_C[:, None]))
        if len(places):
            self._tops.append((channels, level_CN[channels, places], _pieces(places, begins_s, rate_hz)))

    def end(self) -> None:
        """Mark clipping that depends on the highest level of the whole recording."""
        tops, self._tops = self._tops, []
        if not tops:
            return
        channels, levels, pieces = (np.concatenate(parts) for parts in zip(*tops, strict=True))
        for channel, highest in enumerate(self._highest_C):
            cut = pieces[(channels == channel) & (levels >= _AT_TOP * highest)]
            if len(cut) >= _TOPS:
                self._spool.mark_clipped(cut)


def holds_floats(stream: AudioStream) -> bool:
    """Return True if a stream is PCM in floating point."""
    return stream.codec_context.name.startswith("pcm_f")


def _pieces(places: np.ndarray, begins_s: float, rate_hz: int) -> np.ndarray:
    at: np.ndarray = np.floor((begins_s + places / rate_hz) * SAMPLE_RATE_HZ).astype(np.int64)
    return at // SAMPLES_PER_FRAME
