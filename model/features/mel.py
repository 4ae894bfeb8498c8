"""Log-mel features of speech, the same call for stores, training and dubbing. librosa is the reference."""

import numpy as np
from numpy.typing import NDArray

from model.features.timing import SAMPLES_PER_FRAME, mel_columns
from schemas.contract import MEL_BANDS, MEL_HOP_SAMPLES, MEL_WINDOW_SAMPLES, SAMPLE_RATE_HZ

FLOOR = 1e-5
"""Smallest mel magnitude that is told apart from silence; its logarithm, -11.5, is the quietest column."""


def log_mel(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Log-mel magnitudes of a clip.

    samples: (frames * 640,) mono at 16 kHz, -1 to 1. Returns (4 * frames, 80), natural logarithm; column c is
    centred on sample 160 * c, so that column 4t is centred on the start of video frame t.

    Raises: ValueError - the number of samples is not that of `frames` frames.
    """
    import librosa  # only here: a model that is given its mel needs no librosa

    if samples.shape != (frames * SAMPLES_PER_FRAME,):
        raise ValueError(f"{frames} frames need {frames * SAMPLES_PER_FRAME} samples, got shape {samples.shape}")
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=SAMPLE_RATE_HZ,
        n_fft=MEL_WINDOW_SAMPLES,
        win_length=MEL_WINDOW_SAMPLES,
        hop_length=MEL_HOP_SAMPLES,
        n_mels=MEL_BANDS,
        power=1.0,
    )
    logs: NDArray[np.float32] = np.log(np.maximum(mel[:, : mel_columns(frames)], FLOOR)).T.astype(np.float32)
    return np.ascontiguousarray(logs)
