"""Mono sound on disk, addressed by its sample number since the first picture. Holes are silence."""

import os
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from model.features.timing import SAMPLES_PER_FRAME
from schemas.contract import SAMPLE_RATE_HZ
from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason

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
        kept = samples[skipped : max(self._limit - start, 0)]
        if len(kept):
            self.peak = max(self.peak, float(np.abs(kept).max()))
            self._put(start + skipped, np.ascontiguousarray(kept, np.float32).tobytes())
            self._cover(start + skipped, start + skipped + len(kept))
        return start + len(samples) < self._limit

    def read(self, start: int, count: int) -> np.ndarray:
        """(count,) float32 from sample `start`; zeros where nothing was recorded."""
        out = np.zeros(count, np.float32)
        first = max(start, -LEAD_SAMPLES)
        wanted = min(start + count, self.end) - first
        if wanted > 0:
            raw = os.pread(self._file.fileno(), wanted * _BYTES, (first + LEAD_SAMPLES) * _BYTES)
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
