"""Fingerprints that identify near-copies: of pictures, of sound, and of the movement of a face.

They are only computed here; tasks/releases/near_duplicates.py compares them.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from heterodub.model.features.landmarks import SLICES
from heterodub.model.features.timing import mel_columns

POSITIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Places in a clip, as shares of its length, of its five pictures."""

_BANDS = 33
"""Bands of the sound fingerprint: neighbouring differences give 32 bits (Haitsma and Kalker, 2002)."""


def picture_hash(grey: NDArray[np.uint8]) -> bytes:
    """Compute the perceptual hash (DCT signs against their median) of a whole picture, 8 bytes. grey: (h, w)."""
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    return np.packbits(low > np.median(low[1:])).tobytes()


def clip_picture_hash(greys: Sequence[NDArray[np.uint8]]) -> bytes:
    """Join the hashes of the pictures at five fixed positions of a clip, 40 bytes. greys: (h, w) of each frame."""
    last = len(greys) - 1
    return b"".join(picture_hash(greys[round(position * last)]) for position in POSITIONS)


def sound_hash(mel: NDArray[np.float32]) -> bytes:
    """Compute the sound fingerprint: 4 bytes per video frame. mel: (4 * frames, 80) log-mel.

    Bit m of frame n is 1 if the energy step between bands m and m + 1 grew since frame n - 1.
    """
    frames = mel.shape[0] // mel_columns(1)
    edges = np.linspace(0, mel.shape[1], _BANDS + 1).astype(int)[:-1]
    energy = np.add.reduceat(mel.reshape(frames, mel_columns(1), -1).mean(axis=1), edges, axis=1)
    energy /= np.diff(np.append(edges, mel.shape[1]))
    steps = np.diff(energy, axis=1)
    grown = np.diff(steps, axis=0, prepend=steps[:1]) > 0
    return np.packbits(grown, axis=1).tobytes()


_FINE_FRAMES, _COARSE_FRAMES = 1.0, 12.0
"""Standard deviations of the low-passes whose difference is kept: faster is noise of the landmarks, slower drifts."""
_LEAST = np.array([0.01, 0.01, 0.01, 0.006], np.float32)
"""Movement of each signal, in sizes of the face, below which it is noise: not stretched to the scale of the others."""
_UNIT = 25.0
"""Steps of the stored numbers in one standard deviation of a signal."""


def face_motion(points: NDArray[np.float32]) -> bytes:
    """Compute the fingerprint of a face's movement, 4 bytes a frame. points: (T, 216, 2) in pixels.

    Four signals as signed bytes: lower lip from the nose, height and place of the eyes in the picture, and size. They
    are relative to the face's size and free of slow drifts, so scale, crop, light, colour and sound do not touch them;
    a mirror turns the third one round.
    """
    middle = {name: points[:, where].mean(axis=1) for name, where in SLICES.items()}
    left, right = ((middle[f"lid_{side}_upper"] + middle[f"lid_{side}_lower"]) / 2 for side in ("left", "right"))
    eyes, nose = (left + right) / 2, middle["nose_lower"]
    down = nose - eyes
    length = np.maximum(np.linalg.norm(down, axis=1), 1e-3)
    size = np.sqrt(length * np.maximum(np.linalg.norm(right - left, axis=1), 1e-3))
    lip = points[:, SLICES["lip_lower_outer"]][:, 5:10].mean(axis=1) - nose
    scale = np.median(size)
    opening = (lip * down).sum(axis=1) / length
    signals = np.stack([opening / scale, eyes[:, 1] / scale, eyes[:, 0] / scale, np.log(size)], axis=1)
    quick, slow = (
        gaussian_filter1d(signals, sigma, axis=0, mode="nearest") for sigma in (_FINE_FRAMES, _COARSE_FRAMES)
    )
    motion = quick - slow
    steps = np.rint(motion / np.maximum(motion.std(axis=0), _LEAST) * _UNIT)
    return bytes(np.clip(steps, -127, 127).astype(np.int8).tobytes())
