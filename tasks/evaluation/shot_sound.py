"""Sound of a shot in the finished file: where nobody speaks, and how far it lies from the speech that was asked for."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate

from heterodub.model.evaluation.leak import peak_offset
from heterodub.model.features.arrays import Flags
from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.tasks.dubbing.segments import VoiceSource
from heterodub.tasks.quality.sound import VAD_CHUNK, speech_probability

_VOICE: Final = 0.2
"""Probability of speech from which on somebody may be speaking: a pause has to be sure."""

_AROUND_S: Final = 0.25
"""A mouth opens before its sound and closes after it, by a syllable at most."""

_PIECE_S: Final = 60
"""Seconds in which voices are looked for at once; bounds memory."""

_COMPARED_S: Final = 10
_SHIFT_S: Final = 1.0
"""Seconds of sound that are compared, and by which they are shifted either way."""

_AUDIBLE: Final = 1e-3


def silent_frames(voice: VoiceSource, times_N: NDArray[np.float64]) -> Flags:
    """Return flags (N,) of the times at which a voice neither speaks nor has just spoken or is about to."""
    start = int((times_N[0] - _AROUND_S) * SAMPLE_RATE_HZ)
    stop = int((times_N[-1] + _AROUND_S) * SAMPLE_RATE_HZ) + VAD_CHUNK
    pieces = [
        speech_probability(voice.samples(at, min(_PIECE_S * SAMPLE_RATE_HZ // VAD_CHUNK * VAD_CHUNK, stop - at)))
        for at in range(start, stop, _PIECE_S * SAMPLE_RATE_HZ // VAD_CHUNK * VAD_CHUNK)
    ]
    voiced = np.flatnonzero(np.concatenate(pieces) >= _VOICE)
    voices_s = (start + (voiced + 0.5) * VAD_CHUNK) / SAMPLE_RATE_HZ
    if not len(voices_s):
        return np.ones(len(times_N), bool)
    after = np.clip(np.searchsorted(voices_s, times_N), 0, len(voices_s) - 1)
    nearest = np.minimum(np.abs(voices_s[after] - times_N), np.abs(voices_s[np.maximum(after - 1, 0)] - times_N))
    return np.asarray(nearest > _AROUND_S)


def sound_lag(finished: VoiceSource, speech: VoiceSource, start_s: float, end_s: float) -> tuple[float, float] | None:
    """Return the seconds by which a span's sound comes later in the finished file than in the speech, and the
    correlation of both there, 0 to 1. None: the span is silent.
    """
    count = int(min(_COMPARED_S, end_s - start_s) * SAMPLE_RATE_HZ)
    start, reach = int((start_s + end_s) / 2 * SAMPLE_RATE_HZ) - count // 2, int(_SHIFT_S * SAMPLE_RATE_HZ)
    wanted = speech.samples(start, count)
    around = finished.samples(start - reach, count + 2 * reach)
    if not count or np.sqrt(np.mean(np.square(wanted))) < _AUDIBLE:
        return None
    products = np.abs(correlate(around, wanted, "valid", "fft"))
    energy = np.convolve(np.square(around, dtype=np.float64), np.ones(1), "same").cumsum()
    energy = energy[count - 1 :] - np.concatenate([[0.0], energy[:-count]])
    fits = products / np.sqrt(np.maximum(energy, 1e-9) * float(np.square(wanted, dtype=np.float64).sum()))
    best = int(np.argmax(fits))
    return (best + peak_offset(fits, best) - reach) / SAMPLE_RATE_HZ, float(min(fits[best], 1.0))
