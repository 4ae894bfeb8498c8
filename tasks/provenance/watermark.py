"""An invisible watermark in the luma of a picture, found again after it was encoded or scaled.

The picture is divided into 20 x 12 cells. The mean luma of each is moved to the nearest of a row of values, or to one
half-way between two of them, by a fixed pattern of signs: quantisation index modulation (Chen and Wornell, 2001), on
means of cells, which encoders keep. The mark says that a picture is a dub of this program, and nothing else.

Measured by `python -m tests.bench.watermark`; figures and limits: docs/provenance.md.
"""

import hashlib
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8] | NDArray[np.uint16]
"""(rows, columns) samples of a picture as it is displayed."""

_ROWS, _COLUMNS = 12, 20
_STEP: Final = 6.0
"""Distance of the values of one sign, in luma of 8 bits. The change is spread evenly within half of it on either side:
1.7 in the root mean square, 43.4 dB."""

_SAMPLES: Final = 8
"""Samples of a cell's side between which the change is interpolated, so that cells have no edges."""

THRESHOLD: Final = 16.0
"""Evidence from which a picture counts as marked: e^-16 of unmarked ones reach it if their cells vary by chance."""


def embed(luma: Luma, bits: int) -> None:
    """Mark a picture, in place. One that is marked already hardly changes. bits: of a sample."""
    white = float((1 << bits) - 1)
    step = _STEP * (1 << (bits - 8))
    means = _means(luma)
    offset = step * (0.5 - 0.25 * _SIGNS)
    wanted = np.rint((means - offset) / step) * step + offset
    wanted = np.where(wanted < 0, wanted + step, np.where(wanted > white, wanted - step, wanted))
    cells = np.repeat(np.repeat(wanted - means, _SAMPLES, 0), _SAMPLES, 1).astype(np.float32)
    change = cv2.resize(cells, (luma.shape[1], luma.shape[0]), interpolation=cv2.INTER_LINEAR)
    luma[...] = np.clip(np.rint(luma + change), 0, white)


def phases(luma: Luma, bits: int) -> NDArray[np.complex64]:
    """Position of each cell's mean between two values of a sign, (12, 20), as a number on the unit circle."""
    turns = _means(luma) / (_STEP * (1 << (bits - 8)))
    return np.asarray(np.exp(2j * np.pi * turns), np.complex64)


def evidence(phases_NRC: NDArray[np.complex64]) -> float:
    """Evidence for the mark in pictures that follow one another, from their phases (N, 12, 20).

    A change of brightness turns all phases by the same angle and does not matter. Without a mark the evidence is
    distributed exponentially with mean 1, as far as phases do not depend on the pattern; with one it is up to 240.
    """
    mean = phases_NRC.mean(axis=0)
    power = float(np.sum(np.abs(mean) ** 2))
    return float(np.abs(np.sum(_SIGNS * mean)) ** 2) / power if power > 0 else 0.0


def _means(luma: Luma) -> NDArray[np.float32]:
    samples = np.ascontiguousarray(luma, np.float32)
    means: NDArray[np.float32] = cv2.resize(samples, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    return means


def _pattern() -> NDArray[np.float32]:
    """Return as many signs of either kind, in an order that no picture has: a picture of one grey shows no pattern."""
    cells = _ROWS * _COLUMNS
    order = sorted(range(cells), key=lambda cell: hashlib.sha256(b"heterodub watermark %d" % cell).digest())
    signs = np.ones(cells, np.float32)
    signs[order[: cells // 2]] = -1
    return signs.reshape(_ROWS, _COLUMNS)


_SIGNS: Final = _pattern()
