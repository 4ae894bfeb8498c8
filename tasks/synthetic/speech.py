"""Speech with exact phoneme timings, by the espeak-ng library (see espeak.py).

espeak keeps global state, noise generator included, so its output depends on all earlier calls. Each call of `speak`
therefore runs in a fresh process: the same utterances give the same samples, bit for bit.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from .espeak import ESPEAK_RATE_HZ

Samples = NDArray[np.floating[Any]]

SAMPLE_RATE_HZ: Final = 48_000
"""Sampling rate of all sound in the sample."""

LEVEL_DBFS: Final = -24.0
"""RMS level of speech while somebody speaks."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of espeak: its name (with variant), words a minute, pitch and pitch range (0 to 100)."""

    name: str
    rate: int
    pitch: int
    pitch_range: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """Phrases of one voice. `pauses_s[i]` seconds of silence precede phrase i, the last one follows all."""

    voice: Voice
    phrases: tuple[str, ...]
    pauses_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.pauses_s) != len(self.phrases) + 1:
            raise ValueError(f"{len(self.phrases)} phrases need one pause more, got {len(self.pauses_s)}")


@dataclass(frozen=True, slots=True)
class Phoneme:
    """One phoneme in IPA, without stress marks, and when it sounds, in seconds from the first sample."""

    ipa: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """Speech: `samples` (N,) float32 mono at SAMPLE_RATE_HZ, silent in the pauses, and its phonemes in order."""

    samples: NDArray[np.float32]
    phonemes: tuple[Phoneme, ...]

    @property
    def duration_s(self) -> float:
        """Length of the samples in seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ


_Raw = tuple[NDArray[np.int16], list[tuple[int, str]]]


def speak(utterances: Sequence[Utterance]) -> list[SpokenWords]:
    """Synthesise all utterances in one fresh process; the same list gives the same samples.

    Raises: RuntimeError - the library does not start, or knows no voice of that name.
    """
    raw = _in_fresh_process(utterances)
    return [_assemble(utterance, phrases) for utterance, phrases in zip(utterances, raw, strict=True)]


def _in_fresh_process(utterances: Sequence[Utterance]) -> list[list[_Raw]]:
    """Run a plain subprocess: multiprocessing would import the caller's main module, which may not be importable."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.run(
        [sys.executable, "-m", "heterodub.tasks.synthetic.espeak"],
        input=json.dumps([asdict(utterance) for utterance in utterances]).encode(),
        capture_output=True,
        env=environment,
        check=False,
    )
    if child.returncode != 0:
        raise RuntimeError(f"speech synthesis failed: {child.stderr.decode(errors='replace').strip()[-500:]}")
    with np.load(io.BytesIO(child.stdout)) as arrays:
        return [
            [
                (
                    arrays[f"{u}_{p}_samples"],
                    list(zip(arrays[f"{u}_{p}_at"].tolist(), arrays[f"{u}_{p}_ipa"].tolist(), strict=True)),
                )
                for p in range(len(utterance.phrases))
            ]
            for u, utterance in enumerate(utterances)
        ]


def _assemble(utterance: Utterance, phrases: list[_Raw]) -> SpokenWords:
    pieces: list[NDArray[np.float64]] = []
    phonemes: list[Phoneme] = []
    at = 0
    for (samples, events), pause_s in zip(phrases, utterance.pauses_s, strict=False):
        pieces.append(np.zeros(round(pause_s * ESPEAK_RATE_HZ)))
        at += len(pieces[-1])
        last = max(events[-1][0], 1)  # espeak ends a phrase with silence of its own; the pauses are ours to choose
        pieces.append(samples[:last].astype(np.float64))
        phonemes += _timed(events, at)
        at += last
    pieces.append(np.zeros(round(utterance.pauses_s[-1] * ESPEAK_RATE_HZ)))
    sound = resample_poly(np.concatenate(pieces), 320, 147)
    gain = min(10 ** (LEVEL_DBFS / 20) / rms(sound), 0.9 / np.abs(sound).max())
    return SpokenWords((sound * gain).astype(np.float32), tuple(phonemes))


def _timed(events: list[tuple[int, str]], offset: int) -> list[Phoneme]:
    ends = [at for at, _ in events[1:]]
    return [
        Phoneme(name, (offset + start) / ESPEAK_RATE_HZ, (offset + end) / ESPEAK_RATE_HZ)
        for (start, name), end in zip(events, ends, strict=False)
        if name and end > start
    ]


def rms(samples: Samples) -> float:
    """Return the root mean square of the samples that are not silent."""
    audible = samples[np.abs(samples) > 1e-3 * np.abs(samples).max()]
    return float(np.sqrt(np.mean(audible**2)))
