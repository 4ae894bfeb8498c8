"""Mouth opening and width per frame from phoneme timings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from .speech import Phoneme

Curve = NDArray[np.floating[Any]]

CLOSED: Final = frozenset("pbm")
"""Phonemes that press the lips together."""

OPENING: Final[dict[str, float]] = (
    dict.fromkeys("ɑ", 1.0)  # noqa: RUF001 - IPA
    | dict.fromkeys("aæ", 0.92)
    | dict.fromkeys("ɐɒʌ", 0.8)
    | dict.fromkeys("ɔ", 0.7)
    | dict.fromkeys("ɛ", 0.62)
    | dict.fromkeys("eoɜ", 0.5)
    | dict.fromkeys("əɚh", 0.4)
    | dict.fromkeys("ɪʊ", 0.34)
    | dict.fromkeys("iljkɡgŋ", 0.28)  # noqa: RUF001
    | dict.fromkeys("ɹrɾu", 0.22)
    | dict.fromkeys("tdnszθðʃʒ", 0.16)
    | dict.fromkeys("w", 0.1)
    | dict.fromkeys("fv", 0.05)
    | dict.fromkeys("pbm", 0.0)
)
"""Mouth opening of a phoneme: 0 lips together, 1 the widest of speech."""

WIDTH: Final[dict[str, float]] = (
    dict.fromkeys("i", 1.0)
    | dict.fromkeys("eɪɛj", 0.7)  # noqa: RUF001
    | dict.fromkeys("szæ", 0.45)
    | dict.fromkeys("atdn", 0.2)
    | dict.fromkeys("ɔɹr", -0.45)
    | dict.fromkeys("oʃʒʊ", -0.7)
    | dict.fromkeys("uw", -1.0)
)
"""Mouth width of a phoneme: 1 spread, -1 rounded; others leave the lips at rest (0)."""

_STEP_S: Final = 0.005
_COARTICULATION_S: Final = 0.032
_LIP_RAMP_S: Final = 0.05
_STOP_LEAD_S: Final = 0.05
_EXPOSURE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class MouthCurve:
    """Mouth per frame: `opening` (T,) from 0 closed to 1, `width` (T,) from -1 rounded to 1 drawn out."""

    opening: Curve
    width: Curve


def mouth_curve(phonemes: Sequence[Phoneme], frames: int, fps: float) -> MouthCurve:
    """Compute the mouth movement of `phonemes` for `frames` frames at `fps`; closed and at rest in silence.

    Frame t shows the mouth 20 ms after t / fps, the middle of its exposure.
    """
    steps = int(np.ceil((frames / fps + 1) / _STEP_S))
    times: Curve = np.arange(steps) * _STEP_S
    opening, width = np.zeros(steps), np.zeros(steps)
    for symbol, start_s, end_s in _parts(phonemes):
        sounding = (times >= start_s) & (times < end_s)
        opening[sounding] = OPENING.get(symbol, 0.3)
        width[sounding] = WIDTH.get(symbol, 0.0)
    sigma = _COARTICULATION_S / _STEP_S
    opening = gaussian_filter1d(opening, sigma) * (1 - _lips_together(phonemes, times))
    width = gaussian_filter1d(width, 1.5 * sigma)
    exposed_s = np.arange(frames) / fps + _EXPOSURE_S
    return MouthCurve(np.interp(exposed_s, times, opening), np.interp(exposed_s, times, width))


def _parts(phonemes: Sequence[Phoneme]) -> list[tuple[str, float, float]]:
    """Split phonemes into single symbols that share their time equally, so that a diphthong glides."""
    parts = []
    for phoneme in phonemes:
        length_s = (phoneme.end_s - phoneme.start_s) / len(phoneme.ipa)
        for index, symbol in enumerate(phoneme.ipa):
            start_s = phoneme.start_s + index * length_s
            parts.append((symbol, start_s, start_s + length_s))
    return parts


def _lips_together(phonemes: Sequence[Phoneme], times: Curve) -> Curve:
    """Return 1 while the lips are pressed together, ramping to 0. A stop's event marks its burst: lips close before."""
    gate: Curve = np.zeros(len(times))
    for phoneme in phonemes:
        if phoneme.ipa in CLOSED:
            closes_s = phoneme.start_s - (0.0 if phoneme.ipa == "m" else _STOP_LEAD_S)
            away_s = np.maximum(closes_s - times, times - phoneme.end_s)
            ramp = np.clip(1 - away_s / _LIP_RAMP_S, 0, 1)
            gate = np.maximum(gate, ramp * ramp * (3 - 2 * ramp))
    return gate
