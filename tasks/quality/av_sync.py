"""Synchrony of speech and mouth: whether they belong together, and their offset in time.

A ridge regression predicts mouth movement from speech; the prediction is laid over the measured movement at every
offset within 1.5 s. Speech that belongs to the mouth fits best near offset 0. The score says how far the best fit
within the correctable offsets stands out from the fits at offsets that cannot be true. The coefficients ship with
the package; `python -m tests.bench.fit_av_sync WORKSPACE` makes them anew from a stage-1 store.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Array
from heterodub.model.features.landmarks import mouth_opening, mouth_width
from heterodub.model.features.timing import SAMPLES_PER_FRAME, mel_columns
from heterodub.schemas.contract import FPS, MEL_BANDS
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.quality.sound import SPEECH_PROBABILITY, VAD_CHUNK

COEFFICIENTS: Final = "av_sync_ridge.npz"

CORRECTABLE_FRAMES: Final = 6
"""Offsets up to 240 ms are searched and can be corrected; the same limit as in others' sync filters."""

_PLAUSIBLE_FRAMES: Final = 3
"""Offsets that talking heads have by themselves: recorders and encoders put sound up to 120 ms off."""

_FALSE_FROM_FRAMES: Final = 10
"""Offsets from here on cannot be true unless the file is out of sync; their fits are the background."""

_SEARCHED_FRAMES: Final = 37
"""Offsets that are tried either way: 1.5 s."""

_LEAST_OVERLAP_FRAMES: Final = 25
LEAST_FRAMES: Final = 40
"""Below 1.6 s there are too few false offsets to compare with."""

_LEAST_SPEECH_S: Final = 1.0
_LEAST_MOTION: Final = 1e-3
"""Mouth opening, in eye distances, that varies by less is a still mouth."""

_CLEARLY_BETTER: Final = 0.1
"""Correlation by which an offset beyond the correctable ones must beat them to be believed."""

_WELL_MEASURED: Final = 4.0
"""Score from which an offset is trusted enough to move the sound by it."""

_LEAST_CORRECTION: Final = 2
"""Smaller offsets lie within the measure's own error on clean clips and are left alone."""

_CONTEXT_FRAMES: Final = 5
_BANDS: Final = 20
_RANGE: Final = 8.0
"""Natural-log units below the clip's loudest mel value at which it is floored: 70 dB."""

_DRIFT_FRAMES: Final = 25
"""Movement slower than a second is pose and expression, not speech; it is taken out."""


@dataclass(frozen=True, slots=True)
class AvSync:
    """Synchrony of sound and mouth.

    score: z of the best fit within the correctable offsets among the fits at false offsets.
    correlation: of predicted and measured movement there. offset_frames: how late the sound is (+).
    speech_motion_ratio: mouth movement during speech over movement in pauses; None without a pause.
    """

    score: float
    correlation: float
    offset_frames: int
    speech_motion_ratio: float | None


def measure_av_sync(
    points: NDArray[np.float32], tracked: NDArray[np.bool_], mel: NDArray[np.float32], speech: NDArray[np.float32]
) -> AvSync | MissingCause:
    """Measure one clip: points (T, 216, 2), tracked (T,), mel (4T, 80), speech probability per 32 ms chunk.

    Returns the cause when too little of mouth or speech is there to measure.
    """
    is_speech = speech >= SPEECH_PROBABILITY
    if is_speech.sum() * VAD_CHUNK / (SAMPLES_PER_FRAME * FPS) < _LEAST_SPEECH_S:
        return MissingCause.TOO_LITTLE_SPEECH
    if len(points) < LEAST_FRAMES:
        return MissingCause.TOO_SHORT
    if float(np.std(mouth_opening(points)[tracked])) < _LEAST_MOTION:
        return MissingCause.MOUTH_STILL
    offsets, fits = fit_curve(predict(speech_features(mel), coefficients()), mouth_movement(points))
    return evaluate_fits(offsets, fits, _speech_motion_ratio(points, is_speech))


def correction_frames(score: float | None, offset_frames: float | None) -> int:
    """Frames by which the sound is moved earlier when stage 1 is written; 0 unless well measured and small."""
    if score is None or offset_frames is None or score < _WELL_MEASURED:
        return 0
    offset = round(offset_frames)
    return offset if _LEAST_CORRECTION <= abs(offset) <= CORRECTABLE_FRAMES else 0


def speech_features(mel: NDArray[np.float32]) -> Array:
    """Compute the regression's input: (4T, 80) log-mel -> (T, 11 * 20), 20 bands of 11 neighbouring frames each."""
    frames = len(mel) // mel_columns(1)
    bands = mel.reshape(frames, mel_columns(1), _BANDS, MEL_BANDS // _BANDS).mean(axis=(1, 3), dtype=np.float64)
    bands = np.maximum(bands, bands.max() - _RANGE)
    bands = (bands - bands.mean(axis=0)) / (bands.std() + 1e-3)
    padded = np.pad(bands, ((_CONTEXT_FRAMES, _CONTEXT_FRAMES), (0, 0)), mode="edge")
    return np.concatenate([padded[i : i + frames] for i in range(2 * _CONTEXT_FRAMES + 1)], axis=1)


def mouth_movement(points: NDArray[np.float32]) -> Array:
    """Compute the regression's target: (T, 216, 2) -> (T, 3) opening, width and opening speed, each of spread 1."""
    opening, width = mouth_opening(points).astype(np.float64), mouth_width(points).astype(np.float64)
    movement = np.stack([_without_drift(opening), _without_drift(width), np.gradient(_smooth(opening, 3))], axis=1)
    movement -= movement.mean(axis=0)
    normal: Array = movement / (movement.std(axis=0) + 1e-4)
    return normal


@cache
def coefficients() -> Array:
    """Load the shipped regression, (220, 3)."""
    with (files(__package__) / COEFFICIENTS).open("rb") as file:
        weights: Array = np.load(file, allow_pickle=False)["weights"].astype(np.float64)
    return weights


def predict(features: Array, weights: Array) -> Array:
    """Predict mouth movement from speech, (T, 3)."""
    return features @ weights


def fit_curve(predicted: Array, measured: Array) -> tuple[NDArray[np.int64], Array]:
    """Correlate both (T, 3) at every offset; a positive offset means the sound comes late."""
    frames = len(measured)
    reach = min(_SEARCHED_FRAMES, frames - _LEAST_OVERLAP_FRAMES)
    offsets = np.arange(-reach, reach + 1)
    fits = [
        _correlation(predicted[max(0, k) : frames + min(0, k)], measured[max(0, -k) : frames - max(0, k)])
        for k in map(int, offsets)
    ]
    return offsets, np.array(fits)


def evaluate_fits(offsets: NDArray[np.int64], fits: Array, ratio: float | None) -> AvSync:
    """Evaluate a curve of fits (offsets,); `ratio` is passed through.

    An offset of more than 3 frames is believed only when it is well measured. Otherwise the best of 13 offsets would
    be compared with chance, and chance has 13 tries too.
    """
    score, best = _best(offsets, fits, CORRECTABLE_FRAMES)
    if score < _WELL_MEASURED:
        score, best = _best(offsets, fits, _PLAUSIBLE_FRAMES)
    anywhere = int(np.argmax(fits))
    offset = anywhere if fits[anywhere] > fits[best] + _CLEARLY_BETTER else best
    return AvSync(score, float(fits[best]), int(offsets[offset]), ratio)


def _best(offsets: NDArray[np.int64], fits: Array, reach: int) -> tuple[float, int]:
    """Return score and place of the best fit within `reach` frames."""
    near, far = np.abs(offsets) <= reach, np.abs(offsets) >= _FALSE_FROM_FRAMES
    best = int(np.argmax(np.where(near, fits, -np.inf)))
    return float((fits[best] - fits[far].mean()) / max(float(fits[far].std()), 1e-6)), best


def _speech_motion_ratio(points: NDArray[np.float32], is_speech: NDArray[np.bool_]) -> float | None:
    """Mean speed of the mouth opening during speech over that in pauses of at least 0.3 s in all."""
    chunk_of_frame = (np.arange(len(points) - 1) * SAMPLES_PER_FRAME // VAD_CHUNK).clip(max=len(is_speech) - 1)
    talking = is_speech[chunk_of_frame]
    speed = np.abs(np.diff(mouth_opening(points)))
    least = round(0.3 * FPS)
    if talking.sum() < least or (~talking).sum() < least:
        return None
    return float(speed[talking].mean() / max(float(speed[~talking].mean()), 1e-6))


def _correlation(first: Array, second: Array) -> float:
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum() + 1e-9))


def _smooth(values: Array, width: int) -> Array:
    return np.convolve(np.pad(values, width // 2, mode="edge"), np.ones(width) / width, "valid")


def _without_drift(values: Array) -> Array:
    return values - _smooth(values, _DRIFT_FRAMES)
