"""Decoded sound as plain numbers: conversion to float, mixing to one channel, and detection of flat peaks.

Shapes: C channels, N samples.
"""

from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from scipy.signal import lfilter

FULL_SCALE: Final = 0.999
"""Share of full scale from which a sample may be clipped."""

FLAT_SAMPLES: Final = 3
"""So many such samples in a row make a flat peak; a single loud sample does not."""

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
        if self._state is None:
            self._state = np.array([-samples.mean(dtype=np.float64)])
        steady, self._state = lfilter([1.0, -1.0], [1.0, -self._pole], samples.astype(np.float64), zi=self._state)
        swinging: np.ndarray = steady.astype(np.float32)
        return swinging


class FlatPeaks:
    """Finds flat peaks in a stream of blocks, also across their borders."""

    def __init__(self) -> None:
        self._tail: np.ndarray | None = None

    def find(self, samples_CN: np.ndarray) -> np.ndarray:
        """Indices into this block, ascending, of samples that end a run of FLAT_SAMPLES at full scale."""
        before = FLAT_SAMPLES - 1
        if self._tail is None or len(self._tail) != len(samples_CN):
            self._tail = np.zeros((len(samples_CN), before), np.float32)
        joined = np.concatenate([self._tail, samples_CN], axis=1)
        self._tail = joined[:, -before:]
        if not (np.abs(samples_CN) >= FULL_SCALE).any():
            return np.empty(0, np.int64)
        flat = _runs(joined >= FULL_SCALE) | _runs(joined <= -FULL_SCALE)
        return np.flatnonzero(flat.any(axis=0))


def _runs(hot: np.ndarray) -> np.ndarray:
    width = hot.shape[1] - FLAT_SAMPLES + 1
    runs: np.ndarray = np.logical_and.reduce([hot[:, at : at + width] for at in range(FLAT_SAMPLES)])
    return runs
