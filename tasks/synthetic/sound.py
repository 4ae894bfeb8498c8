"""Music, noise and room sound, and their mixing with speech."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from .speech import SAMPLE_RATE_HZ, Samples, rms

ROOM_DBFS: Final = -60.0
"""Level of the room noise in every recording; digital silence would be unnatural."""

_CHORDS: Final = ((0, 4, 7, 11), (9, 12, 16, 19), (5, 9, 12, 16), (7, 11, 14, 17))
_BEAT_S: Final = 0.48


def in_a_room(speech: Samples, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add the faint noise of a quiet room to speech."""
    return np.asarray(speech + noise(len(speech), rng) * 10 ** (ROOM_DBFS / 20), np.float32)


def under(speech: Samples, other: Samples, level_db: float) -> NDArray[np.float32]:
    """Mix speech with `other` at `level_db` relative to it, attenuated together if they would clip."""
    mixed = speech + other * (rms(speech) * 10 ** (level_db / 20) / np.sqrt(np.mean(other**2)))
    return np.asarray(mixed * min(1.0, 0.95 / np.abs(mixed).max()), np.float32)


def noise(length: int, rng: np.random.Generator) -> Samples:
    """Make noise of RMS 1 that falls gently towards high frequencies, like a room's or a street's."""
    white = rng.normal(0, 1, length)
    coloured = sosfilt([[1, 0, 0, 1, -0.9, 0]], white)
    return np.asarray(coloured / coloured.std())


def music(length: int, rng: np.random.Generator) -> Samples:
    """Make music of synthesised instruments, RMS 1: broken chords, bass and a brushed drum."""
    out = np.zeros(length + SAMPLE_RATE_HZ * 2)
    key = 55 * 2 ** (rng.integers(0, 12) / 12)
    for beat in range(int(length / SAMPLE_RATE_HZ / _BEAT_S) + 1):
        at = int(beat * _BEAT_S * SAMPLE_RATE_HZ)
        chord = _CHORDS[beat // 4 % len(_CHORDS)]
        for step, tone in enumerate((chord[beat % 4], chord[(beat + 2) % 4])):
            _add(out, at + step * int(_BEAT_S * SAMPLE_RATE_HZ / 2), _pluck(key * 4 * 2 ** (tone / 12), 0.9))
        _add(out, at, 1.4 * _pluck(key * 2 ** (chord[0] / 12), 0.6))
        for tone in chord[:3]:
            _add(out, at, 0.5 * _pluck(key * 2 * 2 ** (tone / 12), 1.2))
        _add(out, at, 0.6 * _drum(rng))
    out = out[:length]
    return np.asarray(out / np.sqrt(np.mean(out**2)))


def _pluck(frequency_hz: float, decay_s: float) -> Samples:
    t = np.arange(int(1.5 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tone = sum(np.sin(2 * np.pi * n * frequency_hz * t) * np.exp(-t * n / decay_s) / n for n in range(1, 7))
    return np.asarray(tone * np.clip(t / 0.005, 0, 1))


def _drum(rng: np.random.Generator) -> Samples:
    t = np.arange(int(0.2 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.asarray(rng.normal(0, 1, len(t)) * np.exp(-t / 0.03))


def _add(out: Samples, at: int, sound: Samples) -> None:
    room = max(0, min(len(sound), len(out) - at))
    out[at : at + room] += sound[:room]
