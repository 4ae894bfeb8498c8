"""Write decoded sound frames into a spool: one channel, one rate, each at its place in time."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from heterodub.schemas.contract import SAMPLE_RATE_HZ

from .channels import MonoResampler, mix_weights, to_float
from .spool import ClippingMarks, Spool
from .timeline import StreamClock

JITTER_S: Final = Fraction(1, 25)
"""Frame times within one frame's length of the end of the samples before them are rounding errors, not gaps."""

RATES_HZ: Final = range(4_000, 768_001)
"""Sample rates that are accepted; one of 1 Hz would blow a kilobyte up to gigabytes."""


def sound_frames(source: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Every frame that decodes; damaged packets are passed over, a damaged container ends it."""
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    packets = source.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError, ValueError):
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):
            continue
        yield from frames


class SteadyRemover:
    """Removes an offset from zero, and its slow drift, from a signal.

    A first-order high-pass at 4 Hz, from block to block; it begins as if the first block's mean had always been there.
    """

    _CUTOFF_HZ: Final = 4.0

    def __init__(self, rate_hz: int) -> None:
        self._pole = 1 - 2 * np.pi * self._CUTOFF_HZ / rate_hz
        self._state: np.ndarray | None = None

    def remove(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (N,) float32 without the offset."""
        from scipy.signal import lfilter  # here, not above: it takes a second, which who only looks at a file saves

        if self._state is None:
            self._state = np.array([-samples.mean(dtype=np.float64)])
        steady, self._state = lfilter([1.0, -1.0], [1.0, -self._pole], samples.astype(np.float64), zi=self._state)
        swinging: np.ndarray = steady.astype(np.float32)
        return swinging


class AudioWriter:
    """Write frames into a spool by their times: gaps stay silent, overlaps are cut, jitter is ignored.

    Not by ffmpeg's aresample with async: it fills gaps with silence that then counts as recorded, a year of it for a
    damaged time stamp, and stretches what only jitters.

    `zero_s` is the time on the file's line that becomes sample 0, `clock` the stream's own on it. `channel` is the
    number of the channel that is recorded; None: all of them, mixed. `is_float`: see ClippingMarks; None: clipping is
    not marked. `whole`: an offset of the signal from zero is kept.
    """

    def __init__(
        self,
        spool: Spool,
        zero_s: Fraction,
        rate_hz: int = SAMPLE_RATE_HZ,
        channel: int | None = None,
        clock: StreamClock | None = None,
        is_float: bool | None = None,
        whole: bool = False,
    ) -> None:
        self._spool = spool
        self._zero_s = zero_s
        self._rate_hz, self._channel, self._whole = rate_hz, channel, whole
        self._clock = clock or StreamClock()
        self._run: _Run | None = None
        self._clipping = None if is_float is None else ClippingMarks(spool, is_float)

    def write(self, frame: AudioFrame, converted_CN: NDArray[np.float32] | None = None) -> bool:
        """Record a frame; returns whether there is room for more. converted_CN: its samples by `to_float`, where they
        are at hand.

        Raises: MediaRefusedError - DISK_FULL.
        """
        if frame.sample_rate not in RATES_HZ or not frame.samples:
            return True
        try:
            samples_CN = to_float(frame) if converted_CN is None else converted_CN
        except (av.error.FFmpegError, ValueError):
            return True
        begins_s, skipped = self._place(frame, samples_CN.shape[1])
        samples_CN = samples_CN[:, skipped:]
        if not samples_CN.shape[1]:
            return True
        if self._clipping is not None:
            self._clipping.add(samples_CN, float(begins_s), frame.sample_rate)
        if self._channel is not None and self._channel < len(samples_CN):
            mono = samples_CN[self._channel]
        else:
            mono = mix_weights(tuple(channel.name for channel in frame.layout.channels)) @ samples_CN
        return self._run_at(begins_s, frame.sample_rate).add(mono)

    def finish(self) -> None:
        """Write what is still inside the resampler."""
        self._end_run()
        if self._clipping is not None:
            self._clipping.end()

    def _end_run(self) -> None:
        if self._run is not None:
            self._run.end()
            self._run = None

    def _place(self, frame: AudioFrame, samples: int) -> tuple[Fraction, int]:
        """Begin of a frame (seconds after zero) and the number of its samples that overlap what came before."""
        expected_s = self._run.end_s if self._run else None
        if frame.pts is None or frame.time_base is None:
            return expected_s or Fraction(0), 0
        latest_s = None if expected_s is None else expected_s + self._zero_s
        recordings = self._clock.starts
        begins_s = self._clock.place(frame.pts * frame.time_base, latest_s, latest_s) - self._zero_s
        if expected_s is None:
            return begins_s, 0
        early_s = expected_s - begins_s
        if abs(early_s) <= JITTER_S and self._clock.starts == recordings:
            return expected_s, 0
        if early_s > 0:
            return expected_s, min(int(early_s * frame.sample_rate), samples)
        return begins_s, 0

    def _run_at(self, begins_s: Fraction, rate_hz: int) -> "_Run":
        if self._run is None or self._run.rate_hz != rate_hz or begins_s != self._run.end_s:
            self._end_run()
            self._run = _Run(self._spool, begins_s, rate_hz, self._rate_hz, self._whole)
        return self._run


class _Run:
    """Sound without a gap, at one rate: one resampler from end to end, so that it leaves no seams."""

    def __init__(self, spool: Spool, begins_s: Fraction, rate_hz: int, recorded_hz: int, whole: bool) -> None:
        self.rate_hz = rate_hz
        self._steady = None if whole else SteadyRemover(rate_hz)
        self._spool = spool
        self._begins_s = begins_s
        self._taken = 0
        self._next = round(begins_s * recorded_hz)
        self._resampler = MonoResampler(rate_hz, recorded_hz)
        self._waiting: list[np.ndarray] = []
        self._waiting_samples = 0
        self._room = True

    @property
    def end_s(self) -> Fraction:
        """Time after zero at which the next sample belongs."""
        return self._begins_s + Fraction(self._taken, self.rate_hz)

    def add(self, mono: np.ndarray) -> bool:
        """Take samples (N,); returns whether there is room for more."""
        self._taken += len(mono)
        self._waiting.append(mono)
        self._waiting_samples += len(mono)
        if self._waiting_samples >= self.rate_hz:  # about a second: a call per codec frame would cost more than it does
            self._resample()
        return self._room

    def end(self) -> None:
        """Write the rest."""
        self._resample()
        self._write(self._resampler.end())

    def _resample(self) -> None:
        if not self._waiting:
            return
        block = np.concatenate(self._waiting).astype(np.float32)
        if self._steady is not None:
            block = self._steady.remove(block)
        self._waiting, self._waiting_samples = [], 0
        self._write(self._resampler.add(block))

    def _write(self, parts: Iterable[np.ndarray]) -> None:
        for samples in parts:
            self._room = self._spool.write(self._next, samples) and self._room
            self._next += len(samples)
