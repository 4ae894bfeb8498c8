"""The sync network: two small convolutional encoders that lay lips and speech of one moment near each other.

Plain numpy, since the process that decodes foreign files has no torch. Weights and card ship with the package;
`python -m tests.bench.fit_av_sync WORKSPACE ...` trains them anew from stage-1 stores (sync_training.py beside it).

The design is that of SyncNet (Chung and Zisserman, Out of time, 2016) on landmarks, as that of the sync scorer
(model/evaluation/syncnet.py), which is trained anew for each release and never judges footage.

Shape suffix legend: T = frames of a clip, S = its 4 T mel columns, P = 216 points, C = channels, E = embedding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Array, Flags, Floats
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import OUTLINE, SLICES
from heterodub.schemas.contract import MEL_BANDS

WEIGHTS: Final = "sync_network.npz"

Matrix = NDArray[np.float32]

_LIP_BOUNDARIES: Final = ("lip_upper_outer", "lip_upper_inner", "lip_lower_inner", "lip_lower_outer")
_ALONG_A_LIP: Final = np.array([0, 3, 7, 11, 14])
_LIPS: Final = np.concatenate([SLICES[name].start + _ALONG_A_LIP for name in _LIP_BOUNDARIES])
"""Corners, quarters and middle of the lips' four boundaries, from left to right."""

_CHIN: Final = slice(OUTLINE.start + 18, OUTLINE.start + 22)
"""Middle of the outline, whose mean is the chin."""

POINTS: Final = len(_LIPS) + 1

LIP_CHANNELS: Final = 4 * POINTS
"""Values of a frame: x and y of each point of lips and chin, then their speed."""

SOUND_CHANNELS: Final = 20

_LOUDNESS_RANGE: Final = 8.0
"""Natural-log units below the clip's loudest mel value at which it is floored: 70 dB."""

_DRIFT_FRAMES: Final = 25
"""Movement slower than a second is pose and expression, not speech; it is taken out."""

_LEAST_SPREAD: Final = 1e-3
_EPSILON: Final = 1e-5


def lip_features(points_TPXY: Floats, usable_T: Flags) -> Matrix:
    """Compute lips and chin in the face frame and their speed, each of spread 1 over a clip: (T, LIP_CHANNELS).

    Frames that are not usable hold zeros, as do lips that do not move.

    Raises: ValueError - eyes that fall on one place.
    """
    points = np.asarray(points_TPXY, np.float64)
    chin_T1XY = points[:, _CHIN].mean(axis=1, keepdims=True)
    shape_TC = (
        FaceFrame.of(points).enter(np.concatenate([points[:, _LIPS], chin_T1XY], axis=1)).reshape(len(points), -1)
    )
    shape_TC -= _low_passed(shape_TC)
    speed_TC = np.asarray(np.gradient(shape_TC, axis=0)) if len(shape_TC) > 1 else np.zeros_like(shape_TC)
    parts = [part_TC / max(_spread(part_TC[usable_T]), _LEAST_SPREAD) for part_TC in (shape_TC, speed_TC)]
    return np.asarray(np.concatenate(parts, axis=1) * usable_T[:, None], np.float32)


def _spread(values: Array) -> float:
    return float(values.std()) if values.size else 0.0


def _low_passed(values_TC: Array) -> Array:
    width = min(_DRIFT_FRAMES, len(values_TC) - (len(values_TC) + 1) % 2)
    padded = np.pad(values_TC, ((width // 2, width // 2), (0, 0)), mode="edge")
    sums = np.cumsum(np.concatenate([np.zeros((1, padded.shape[1])), padded]), axis=0)
    return np.asarray((sums[width:] - sums[:-width]) / width)


def sound_features(mel_SM: Floats) -> Matrix:
    """Compute bands without loudness and timbre, of spread 1 over a clip: log-mel (S, 80) -> (S, SOUND_CHANNELS)."""
    bands = (
        np.asarray(mel_SM, np.float64).reshape(len(mel_SM), SOUND_CHANNELS, MEL_BANDS // SOUND_CHANNELS).mean(axis=2)
    )
    bands = np.maximum(bands, bands.max() - _LOUDNESS_RANGE)
    bands -= bands.mean(axis=0)
    return np.asarray(bands / max(_spread(bands), _LEAST_SPREAD), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Convolution:
    """A convolution along time, followed in all but the last layer by a layer norm and a rectifier.

    weights: (width * C, D), earliest first. norm: gain and bias (2, D); None in the last.
    """

    weights: Matrix
    bias: Matrix
    norm: Matrix | None
    stride: int

    def __call__(self, values_TC: Matrix) -> Matrix:
        width = len(self.weights) // values_TC.shape[1]
        padded = np.pad(values_TC, ((width // 2, width // 2), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)[:: self.stride]  # (T', C, width)
        out: Matrix = windows.transpose(0, 2, 1).reshape(len(windows), -1) @ self.weights + self.bias
        if self.norm is None:
            return out
        out -= out.mean(axis=1, keepdims=True)
        out /= np.sqrt((out**2).mean(axis=1, keepdims=True) + np.float32(_EPSILON))
        return np.asarray(np.maximum(out * self.norm[0] + self.norm[1], 0))


SOUND_STRIDES: Final = (2, 2, 1, 1)
LIP_STRIDES: Final = (1, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class SyncNetwork:
    """Both encoders; the product of their embeddings of a frame says how well mouth and sound fit, -1 to 1."""

    lips: tuple[_Convolution, ...]
    sound: tuple[_Convolution, ...]
    chance: float
    """Spread of a mean of that product at false offsets, of speakers the network has not seen, times the root of the
    number of frames. NaN of a network that was not held against any yet."""

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """Build the network from arrays named lips.0.weights, lips.0.bias, lips.0.norm, ..., sound.0.weights, ... and
        chance.
        """
        lips, sound = (
            tuple(_layer(arrays, f"{side}.{number}", stride) for number, stride in enumerate(strides))
            for side, strides in (("lips", LIP_STRIDES), ("sound", SOUND_STRIDES))
        )
        return cls(lips, sound, float(arrays.get("chance", np.nan)))

    def embed_lips(self, lips_TC: Matrix) -> Matrix:
        """Embed lip features (T, LIP_CHANNELS) -> (T, E), of length below 1."""
        return _embedded(self.lips, lips_TC)

    def embed_sound(self, sound_SC: Matrix) -> Matrix:
        """Embed sound features (S, SOUND_CHANNELS) -> (T, E), of length below 1."""
        return _embedded(self.sound, sound_SC)


def _layer(arrays: Mapping[str, Array], name: str, stride: int) -> _Convolution:
    norm = arrays[f"{name}.norm"].astype(np.float32) if f"{name}.norm" in arrays else None
    weights, bias = (arrays[f"{name}.{part}"].astype(np.float32) for part in ("weights", "bias"))
    return _Convolution(weights, bias, norm, stride)


def _embedded(layers: tuple[_Convolution, ...], values: Matrix) -> Matrix:
    for layer in layers:
        values = layer(values)
    return np.asarray(values / np.sqrt(1 + (values**2).sum(axis=1, keepdims=True)))


@cache
def sync_network() -> SyncNetwork:
    """Load the shipped network."""
    with (files(__package__) / WEIGHTS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return SyncNetwork.of(dict(stored))
