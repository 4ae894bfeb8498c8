"""Fingerprints by which near-copies are recognised: perceptual hashes of pictures, and of sound.

Comparing them is the stores' business (tasks/stores/near_copies.py); here they are only made.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.features.timing import mel_columns

POSITIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where in a clip its five pictures are taken."""

_BANDS = 33
"""Bands of the sound fingerprint: neighbouring differences give 32 bits (Haitsma and Kalker, 2002)."""


def picture_hash(grey: NDArray[np.uint8]) -> bytes:
    """Perceptual hash (DCT signs against their median) of a whole picture, 8 bytes. grey: (h, w)."""
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    return np.packbits(low > np.median(low[1:])).tobytes()


def clip_picture_hash(frame_hashes: list[bytes]) -> bytes:
    """The hashes at five fixed positions of a clip, 40 bytes."""
    last = len(frame_hashes) - 1
    return b"".join(frame_hashes[round(position * last)] for position in POSITIONS)


def sound_hash(mel: NDArray[np.float32]) -> bytes:
    """Sound fingerprint: 4 bytes per video frame. mel: (4 * frames, 80) log-mel.

    Bit m of frame n says whether the energy step between bands m and m + 1 grew since frame n - 1.
    """
    frames = mel.shape[0] // mel_columns(1)
    edges = np.linspace(0, mel.shape[1], _BANDS + 1).astype(int)[:-1]
    energy = np.add.reduceat(mel.reshape(frames, mel_columns(1), -1).mean(axis=1), edges, axis=1)
    energy /= np.diff(np.append(edges, mel.shape[1]))
    steps = np.diff(energy, axis=1)
    grown = np.diff(steps, axis=0, prepend=steps[:1]) > 0
    return np.packbits(grown, axis=1).tobytes()
