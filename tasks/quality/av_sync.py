"""Synchrony of speech and mouth: whether they belong together, and their offset in time.

The sync network (sync_network.py) lays the mouth of each frame and its sound near each other; the products are averaged
at every offset within 1.5 s. Speech that belongs to the mouth fits best near offset 0. The score says how far the best
fit within the correctable offsets stands out from the fits at offsets that cannot be true, in units of what chance
gives: a mean over n frames spreads by the network's spread of one frame over sqrt(n). The clip's own false offsets are
too few, and too alike, to tell that spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Array, Floats
from heterodub.model.features.landmarks import mouth_opening
from heterodub.model.features.timing import SAMPLES_PER_FRAME
from heterodub.schemas.contract import FPS
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.quality.sound import SPEECH_PROBABILITY, VAD_CHUNK
from heterodub.tasks.quality.sound_shift import CORRECTABLE_FRAMES
from heterodub.tasks.quality.sync_network import lip_features, sound_features, sync_network

FALSE_FROM_FRAMES: Final = 10
"""Offsets from here on cannot be true unless the file is out of sync; their fits are the background."""

_SEARCHED_FRAMES: Final = 37
"""Offsets that are tried either way: 1.5 s."""

_LEAST_OVERLAP_FRAMES: Final = 25
LEAST_FRAMES: Final = 40
"""Below 1.6 s there are too few false offsets to compare with."""

_LEAST_SPEECH_S: Final = 1.0
_LEAST_MOTION: Final = 1e-3
"""Mouth opening, in eye distances, that varies by less is a still mouth."""

_USUAL_FRAMES: Final = 2
_RARELY: Final = 1.0
"""Standard deviations of chance that an offset beyond the usual ones must make up for: recorders are mostly right, and
there are eight such offsets to be lucky at."""

_CLEARLY_BETTER: Final = 2.0
"""Standard deviations of chance by which an offset beyond the correctable ones must beat them to be believed."""


@dataclass(frozen=True, slots=True)
class AvSync:
    """Synchrony of sound and mouth.

    score: best fit within the correctable offsets less the mean at false offsets, in standard deviations of chance,
    less 1 beyond two frames.
    correlation: likeness of mouth and sound there, -1..1. offset_frames: how late the sound is (+).
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
    if is_still(points, tracked):
        return MissingCause.MOUTH_STILL
    curve = fit_curve(embed_sound(mel), embed_lips(points, tracked), tracked)
    return evaluate_curve(curve, sync_network().chance, _speech_motion_ratio(points, is_speech))


def is_still(points: NDArray[np.float32], usable: NDArray[np.bool_]) -> bool:
    """Return True if the mouth hardly opens in the usable frames (T,) of points (T, 216, 2)."""
    return float(np.std(mouth_opening(points)[usable])) < _LEAST_MOTION


def embed_lips(points: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Embed the mouth of each frame, to be multiplied with the sound's: (T, 216, 2), (T,) -> (T, E)."""
    return sync_network().embed_lips(lip_features(points, usable))


def embed_sound(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embed the sound of each frame: (4T, 80) -> (T, E)."""
    return sync_network().embed_sound(sound_features(mel))


def frame_fits(sound: Floats, lips: Floats) -> tuple[NDArray[np.int64], Array]:
    """Multiply the embeddings (T, E) of each frame's mouth and of the sound at every offset: offsets (K,), fits (T, K).

    NaN where the sound would have to be outside of the clip. A positive offset means the sound comes late.
    """
    frames = len(lips)
    reach = min(_SEARCHED_FRAMES, frames - _LEAST_OVERLAP_FRAMES)
    offsets = np.arange(-reach, reach + 1)
    fits = np.full((frames, len(offsets)), np.nan)
    for place, k in enumerate(map(int, offsets)):
        seen, heard = slice(max(0, -k), frames - max(0, k)), slice(max(0, k), frames + min(0, k))
        fits[seen, place] = (lips[seen] * sound[heard]).sum(axis=1)
    return offsets, fits


def mean_fits(fits: Array, usable: NDArray[np.bool_]) -> Array:
    """Average the fits (T, K) of the usable frames at each offset, (K,)."""
    known = ~np.isnan(fits[usable])
    return np.asarray(np.where(known, fits[usable], 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


@dataclass(frozen=True, slots=True, eq=False)
class FitCurve:
    """Mean fit of a mouth and a sound at every offset, over so many usable frames. offsets, fits: (K,)."""

    offsets: NDArray[np.int64]
    fits: Array
    frames: int

    @property
    def false_fits(self) -> Array:
        """Those at offsets that cannot be true."""
        return np.asarray(self.fits[np.abs(self.offsets) >= FALSE_FROM_FRAMES])


def fit_curve(sound: Floats, lips: Floats, usable: NDArray[np.bool_]) -> FitCurve:
    """Average the fits of the usable frames (T,) at every offset; above 0 the sound comes late."""
    offsets, fits = frame_fits(sound, lips)
    return FitCurve(offsets, mean_fits(fits, usable), int(usable.sum()))


def chance_spread(curves: Sequence[FitCurve]) -> float:
    """Estimate the spread that chance gives the fit of one frame, from the false offsets of many curves."""
    return float(np.sqrt(np.mean([curve.false_fits.var() * curve.frames for curve in curves])))


def evaluate_curve(curve: FitCurve, chance: float, ratio: float | None) -> AvSync:
    """Evaluate a curve of fits. chance: spread of one frame's fit by chance; `ratio` is passed through."""
    distance = np.abs(curve.offsets)
    standing = (curve.fits - curve.false_fits.mean()) / (chance / np.sqrt(max(1, curve.frames)))
    standing -= _RARELY * (distance > _USUAL_FRAMES)
    best = int(np.argmax(np.where(distance <= CORRECTABLE_FRAMES, standing, -np.inf)))
    anywhere = int(np.argmax(standing))
    found = anywhere if standing[anywhere] > standing[best] + _CLEARLY_BETTER else best
    return AvSync(float(standing[best]), float(curve.fits[best]), int(curve.offsets[found]), ratio)


def _speech_motion_ratio(points: NDArray[np.float32], is_speech: NDArray[np.bool_]) -> float | None:
    """Mean speed of the mouth opening during speech over that in pauses of at least 0.3 s in all."""
    chunk_of_frame = (np.arange(len(points) - 1) * SAMPLES_PER_FRAME // VAD_CHUNK).clip(max=len(is_speech) - 1)
    talking = is_speech[chunk_of_frame]
    speed = np.abs(np.diff(mouth_opening(points)))
    least = round(0.3 * FPS)
    if talking.sum() < least or (~talking).sum() < least:
        return None
    return float(speed[talking].mean() / max(float(speed[~talking].mean()), 1e-6))
