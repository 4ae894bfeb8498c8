"""Decoded sound as plain numbers, and the choice of its channel: the mix of all, or the one that holds the speech.

Shape suffix legend: C = channels, N = samples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.tasks.quality.sound import (
    SILENCE_DBFS,
    SPEECH_PROBABILITY,
    VAD_CHUNK,
    level_dbfs,
    snr_db,
    speech_band,
    speech_probability,
)

_WEIGHTS: Final = {"LFE": 0.0, "LFE2": 0.0, "FC": 1.0, "FL": 0.7071, "FR": 0.7071}
"""Share of each named channel in a mix of several: films put speech in the centre, and rumble in LFE."""

_OTHER_WEIGHT: Final = 0.5

_LOUDEST: Final = 8.0
"""Float formats may hold anything; nothing real is this far over full scale."""


_SAFE_PLANES: Final = 8
"""PyAV 18 counts the planes of a frame up to a null pointer that is only there for fewer channels than this; with
more it reads past the end. Such frames are packed into one plane first."""


def to_float(frame: AudioFrame) -> np.ndarray:
    """Convert a frame to (C, N) float32, full scale 1.0. Not-a-number becomes silence.

    Raises: ValueError - a sample format numpy cannot hold; av.error.FFmpegError - one ffmpeg cannot convert.
    """
    if frame.format.is_planar and len(frame.layout.channels) >= _SAFE_PLANES:
        frame = AudioResampler("flt", frame.layout, frame.sample_rate).resample(frame)[0]
    raw: np.ndarray[Any, np.dtype[Any]] = frame.to_ndarray()
    channels = len(frame.layout.channels)
    samples_CN = raw if frame.format.is_planar else raw.reshape(-1, channels).T
    if samples_CN.dtype == np.uint8:
        centred: np.ndarray = (samples_CN.astype(np.float32) - 128) / 127
        return centred
    if np.issubdtype(samples_CN.dtype, np.integer):
        scaled: np.ndarray = samples_CN.astype(np.float32) / 2.0 ** (8 * samples_CN.dtype.itemsize - 1)
        return scaled.astype(np.float32)
    clean = np.nan_to_num(samples_CN.astype(np.float32), nan=0.0, posinf=_LOUDEST, neginf=-_LOUDEST)
    return np.clip(clean, -_LOUDEST, _LOUDEST)


def mix_weights(names: tuple[str, ...]) -> np.ndarray:
    """(C,) float32 that sum to 1, from ffmpeg's channel names. Unnamed channels count alike."""
    weights = np.array([_WEIGHTS.get(name, _OTHER_WEIGHT) for name in names], np.float32)
    if not weights.any():
        weights[:] = 1
    weights /= weights.sum()
    return weights


class MonoResampler:
    """Resamples one channel from block to block, so that the blocks leave no seams."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._resampler = AudioResampler("flt", "mono", to_hz)

    def add(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Yield what samples (N,) give, a second at a time."""
        block = np.ascontiguousarray(samples[None], np.float32)
        for start in range(0, block.shape[1], self._from_hz):
            frame = AudioFrame.from_ndarray(block[:, start : start + self._from_hz], "flt", "mono")
            frame.sample_rate = self._from_hz
            yield from self._resampled(frame)

    def end(self) -> Iterator[np.ndarray]:
        """Yield what is left inside."""
        return self._resampled(None)

    def _resampled(self, frame: AudioFrame | None) -> Iterator[np.ndarray]:
        return (part.to_ndarray()[0] for part in self._resampler.resample(frame))


_PIECE_S: Final = 2
_MOST_PIECES: Final = 16
"""At most half a minute is analysed, in pieces spread evenly over the recording."""

_BETTER_DB: Final = 3.0
"""A channel replaces the mix only where it is clearly better: two good microphones differ by less, and their mix
is cleaner than either."""

_CANCELS: Final = 0.5
"""A mix with less than this share of the power that unrelated channels would add up to cancels itself out."""

_SAME_DB: Final = 0.5
"""Channels and mix that differ by less in level are the same sound."""

_SPEECH_SHARE: Final = 0.8
"""A channel must hold this share of the speech: with a speaker on each channel, none can stand for both."""

_LEAST_SPEECH_S: Final = 0.5

_UNNAMED: Final = ("NONE", "UNSD", "UNK")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel by its number in the stream and ffmpeg's name, such as FL, or its number from 1."""

    number: int
    name: str


def best_channel(frames: Iterable[AudioFrame]) -> Channel | None:
    """The channel to record, or None for the mix of all.

    The mix is taken unless it cancels itself out or a channel with as much speech has a better signal-to-noise ratio,
    or the same and a higher level.
    """
    pieces = _Pieces()
    for frame in frames:
        if len(frame.layout.channels) < 2:
            return None
        pieces.add(frame)
    samples_CN = pieces.at_16_khz()
    if samples_CN is None:
        return None
    number = _best(samples_CN, mix_weights(pieces.names))
    if number is None:
        return None
    name = pieces.names[number]
    return Channel(number, f"channel {number + 1}" if name in _UNNAMED else name)


def _best(samples_CN: np.ndarray, weights_C: np.ndarray) -> int | None:
    mix = weights_C @ samples_CN
    powers = np.square(samples_CN, dtype=np.float64).mean(axis=1)
    mixed = float(np.square(mix, dtype=np.float64).mean())
    cancels = mixed < _CANCELS * float(weights_C.astype(np.float64) ** 2 @ powers)
    levels = [level_dbfs(line) for line in samples_CN]
    if not cancels and max(levels) - level_dbfs(mix) < _SAME_DB:
        return None
    channels = [_ChannelScores.of(line) for line in samples_CN]
    together = None if cancels else _ChannelScores.of(mix)
    most_s = max(scores.speech_s for scores in [*channels, *([together] if together else [])])
    if most_s < _LEAST_SPEECH_S:
        return int(np.argmax(levels)) if cancels else None
    whole = [number for number, scores in enumerate(channels) if scores.speech_s >= _SPEECH_SHARE * most_s]
    if together is not None and together.speech_s >= _SPEECH_SHARE * most_s:
        whole = [number for number in whole if channels[number].beats(together)]
    return max(whole, key=lambda number: (round(channels[number].snr), channels[number].level), default=None)


@dataclass(frozen=True, slots=True)
class _ChannelScores:
    level: float
    speech_s: float
    snr: float

    @classmethod
    def of(cls, samples: np.ndarray) -> "_ChannelScores":
        band = speech_band(samples)
        level = level_dbfs(band)
        probabilities = speech_probability(samples) if level >= SILENCE_DBFS else np.zeros(0, np.float32)
        speech = probabilities >= SPEECH_PROBABILITY
        snr = snr_db(band, probabilities) if speech.any() else -np.inf
        return cls(level, float(speech.sum()) * VAD_CHUNK / SAMPLE_RATE_HZ, snr)

    def beats(self, mix: "_ChannelScores") -> bool:
        if self.snr >= mix.snr + _BETTER_DB:
            return True
        return self.snr >= mix.snr - 1 and self.level >= mix.level + _BETTER_DB


class _Pieces:
    """Pieces spread evenly over a recording of unknown length: when there are too many, every second one is dropped,
    and from there on half as many are taken.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._rate_hz = 0
        self._pieces: list[np.ndarray] = []
        self._blocks: list[np.ndarray] = []
        self._samples = 0
        self._number = 0
        self._stride = 1

    def add(self, frame: AudioFrame) -> None:
        names = tuple(channel.name for channel in frame.layout.channels)
        if not self.names:
            self.names, self._rate_hz = names, frame.sample_rate
        if names != self.names or frame.sample_rate != self._rate_hz or not frame.samples:
            return
        if self._number % self._stride == 0:
            try:
                self._blocks.append(to_float(frame))
            except (av.error.FFmpegError, ValueError):
                return
        self._samples += frame.samples
        if self._samples >= _PIECE_S * self._rate_hz:
            self._close()

    def at_16_khz(self) -> np.ndarray | None:
        """(C, N) float32 of what was taken and is not silent; None when nothing is."""
        self._close()
        loud = [piece for piece in self._pieces if max(level_dbfs(line) for line in piece) >= SILENCE_DBFS]
        if not loud:
            return None
        joined = np.concatenate(loud, axis=1)
        return np.stack([_resampled(line, self._rate_hz) for line in joined])

    def _close(self) -> None:
        if self._blocks:
            self._pieces.append(np.concatenate(self._blocks, axis=1))
        self._blocks, self._samples = [], 0
        self._number += 1
        if len(self._pieces) > _MOST_PIECES:
            self._pieces, self._stride = self._pieces[::2], 2 * self._stride


def _resampled(line: np.ndarray, rate_hz: int) -> np.ndarray:
    resampler = MonoResampler(rate_hz, SAMPLE_RATE_HZ)
    return np.concatenate([*resampler.add(line - line.mean()), *resampler.end()])
