"""Choice of the channel of a recording: the mix of all, or the one that holds the speech."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from schemas.contract import SAMPLE_RATE_HZ
from tasks.quality.sound import (
    SILENCE_DBFS,
    SPEECH_PROBABILITY,
    VAD_CHUNK,
    level_dbfs,
    snr_db,
    speech_band,
    speech_probability,
)

from .mixing import mix_weights, to_float

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
    line = line - line.mean()
    resampler = AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
    out = []
    for start in range(0, len(line), rate_hz):
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(line[None, start : start + rate_hz], np.float32), "flt", "mono"
        )
        frame.sample_rate = rate_hz
        out += resampler.resample(frame)
    out += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in out])
