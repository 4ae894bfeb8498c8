"""Detection of clipping: flat tops at full scale, and in floating point at whatever level they were cut."""

from typing import Final

import numpy as np
from av.audio.stream import AudioStream

from model.features.timing import SAMPLES_PER_FRAME
from schemas.contract import SAMPLE_RATE_HZ

from .mixing import FLAT_SAMPLES, FlatPeaks
from .spool import Spool

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
        self._peaks = None if is_float else FlatPeaks()
        self._tail: np.ndarray | None = None
        self._highest_C: np.ndarray | None = None
        self._tops: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, samples_CN: np.ndarray, begins_s: float, rate_hz: int) -> None:
        """Examine samples that begin `begins_s` after the first picture."""
        if self._peaks is not None:
            self._spool.mark_clipped(_pieces(self._peaks.find(samples_CN), begins_s, rate_hz))
            return
        if self._highest_C is None or len(self._highest_C) != len(samples_CN):
            self.end()
            self._highest_C = np.zeros(len(samples_CN))
            self._tail = np.zeros((len(samples_CN), FLAT_SAMPLES - 1), np.float32)
        joined = np.concatenate([self._tail, samples_CN], axis=1) if self._tail is not None else samples_CN
        self._tail = joined[:, 1 - FLAT_SAMPLES :]
        self._highest_C = np.maximum(self._highest_C, np.abs(samples_CN).max(axis=1))
        windows_CNW = np.lib.stride_tricks.sliding_window_view(joined, FLAT_SAMPLES, axis=1)
        level_CN = np.abs(windows_CNW[..., -1])
        same_CN = np.ptp(windows_CNW, axis=-1) <= _SAME * level_CN
        least_C = np.maximum(_LEAST_LEVEL, _AT_TOP * self._highest_C)
        channels, places = np.nonzero(same_CN & (level_CN >= least_C[:, None]))
        if len(places):
            self._tops.append((channels, level_CN[channels, places], _pieces(places, begins_s, rate_hz)))

    def end(self) -> None:
        """Mark clipping that depends on the highest level of the whole recording."""
        tops, self._tops = self._tops, []
        if not tops or self._highest_C is None:
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
