"""Log-mel features of speech, the same call for stores, training and dubbing. librosa is the reference.

The filter bank is librosa's; the spectrum is taken here, since librosa's own compiles a loop for seconds at the first
call of every process. A test holds the result against `librosa.feature.melspectrogram`.
"""

from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from heterodub.model.features.timing import SAMPLES_PER_FRAME, mel_columns
from heterodub.schemas.contract import MEL_BANDS, MEL_HOP_SAMPLES, MEL_WINDOW_SAMPLES, SAMPLE_RATE_HZ

FLOOR = 1e-5
"""Smallest mel magnitude that differs from silence; its logarithm, -11.5, is the quietest column."""


def log_mel(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Compute the log-mel magnitudes of a clip.

    samples: (frames * 640,) mono at 16 kHz, -1 to 1. Returns (4 * frames, 80), natural logarithm; column c is
    centred on sample 160 * c, so that column 4t is centred on the start of video frame t.

    Raises: ValueError - the number of samples is not that of `frames` frames.
    """
    if samples.shape != (frames * SAMPLES_PER_FRAME,):
        raise ValueError(f"{frames} frames need {frames * SAMPLES_PER_FRAME} samples, got shape {samples.shape}")
    padded = np.pad(samples, MEL_WINDOW_SAMPLES // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, MEL_WINDOW_SAMPLES)[::MEL_HOP_SAMPLES]
    spectrum = np.abs(scipy.fft.rfft(windows[: mel_columns(frames)] * _hann()))  # (4 * frames, 321)
    logs: NDArray[np.float32] = np.log(np.maximum(spectrum @ mel_bank(), FLOOR))
    return np.ascontiguousarray(logs, np.float32)


@cache
def _hann() -> NDArray[np.float32]:
    """Return the periodic Hann window, (640,)."""
    phase = 2 * np.pi * np.arange(MEL_WINDOW_SAMPLES) / MEL_WINDOW_SAMPLES
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


@cache
def mel_bank() -> NDArray[np.float32]:
    """Return the mel filters of librosa, (321, 80)."""
    import librosa.filters  # here, not above: it costs most of a second, which files without sound need not wait for

    bank: NDArray[np.float32] = librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=MEL_WINDOW_SAMPLES, n_mels=MEL_BANDS)
    return np.ascontiguousarray(bank.T, np.float32)
