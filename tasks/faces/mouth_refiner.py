"""Refiner of the mouths of mesh v1, which follows opening lips half as far as they open.

A small convolutional network sees the mouth and where v1 drew lips and chin, and moves these to where mesh v2 would
draw them. Plain numpy, since the process that decodes foreign files has no torch. Weights and card ship with the
package; `python -m tests.bench.fit_mouth_refiner CORPUS` trains them anew (mouth_training.py beside it).

Shape suffix legend: S = pixels of a side, C = channels, F = features, K = refined points, XY = 2 coordinates in units
of the mouth's frame.
"""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import Final, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Array, Rgb
from heterodub.model.features.landmarks import LIPS, MIRRORED, OUTLINE
from heterodub.schemas.errors import WeightsMissingError

from .mouth_crop import CROP_PX, mouth_crop, mouth_frame

WEIGHTS: Final = "mouth_refiner.npz"

Matrix = NDArray[np.float32]

_UNMOVED: Final = 9
_PARTLY: Final = 6
"""Points of the outline from either ear on that stay where they are, and those after them that move in part."""

CHIN: Final = np.arange(OUTLINE.start + _UNMOVED, OUTLINE.stop - _UNMOVED)
REFINED: Final = np.concatenate([np.arange(LIPS.start, LIPS.stop), CHIN])
"""Indices of the refined points among the 216: lips, then the chin's part of the outline."""

POINTS: Final = len(REFINED)


def _shares() -> Matrix:
    from_end = np.minimum(CHIN - CHIN[0], CHIN[-1] - CHIN) + 1
    return np.concatenate([np.ones(POINTS - len(CHIN)), np.clip(from_end / (_PARTLY + 1), 0, 1)]).astype(np.float32)


SHARES: Final = _shares()
"""Share of its way that each refined point is moved: along the cheek less and less, or the outline would break."""

MIRRORED_REFINED: Final = np.argsort(REFINED)[np.searchsorted(np.sort(REFINED), MIRRORED[REFINED])]
"""For each refined point of a mirrored face, its place among those of the original."""

LEAST_SPREAD: Final = 4.0
"""Levels added to a crop's spread: of a black picture, noise is not to be enlarged."""

STRIDE: Final = 2
"""Pixels from one place of a convolution to the next."""


@dataclass(frozen=True, slots=True, eq=False)
class _PixelConvolution:
    """A convolution over 3 x 3 pixels around every second one, zeros outside, and a rectifier. weights: (9 C, D)."""

    weights: Matrix
    bias: Matrix

    def __call__(self, values_SSC: Matrix) -> Matrix:
        side, _, channels = values_SSC.shape
        padded = np.zeros((side + 2, side + 2, channels), np.float32)  # np.pad takes longer than the product
        padded[1:-1, 1:-1] = values_SSC
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))[::STRIDE, ::STRIDE]
        out: Matrix = windows.transpose(0, 1, 3, 4, 2).reshape(-1, 9 * channels) @ self.weights
        out += self.bias
        return np.maximum(out, 0, out=out).reshape(side // STRIDE, side // STRIDE, -1)


@dataclass(frozen=True, slots=True, eq=False)
class MouthRefiner:
    """The network. hidden, out: weights (in, out) and bias of two dense layers; both see the points besides."""

    convolutions: tuple[_PixelConvolution, ...]
    hidden: tuple[Matrix, Matrix]
    out: tuple[Matrix, Matrix]

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """Build the network from arrays named convolutions.0.weights, convolutions.0.bias, ..., hidden.weights, ...

        Raises: ValueError - one is missing, has another shape, or holds what is no number.
        """
        if missing := {"convolutions.0", "hidden", "out"} - {name.rpartition(".")[0] for name in arrays}:
            raise ValueError(f"{', '.join(sorted(missing))} is missing")
        layers = sum(name.startswith("convolutions.") for name in arrays) // 2
        network = cls(
            tuple(_PixelConvolution(*_layer(arrays, f"convolutions.{number}")) for number in range(layers)),
            _layer(arrays, "hidden"),
            _layer(arrays, "out"),
        )
        moved = network.move(np.zeros((CROP_PX, CROP_PX, 3), np.uint8), np.zeros((POINTS, 2), np.float32))
        if moved.shape != (POINTS, 2) or not np.isfinite(moved).all():
            raise ValueError(f"it moves {moved.shape} points, not {(POINTS, 2)}, or to no place")
        return network

    def __call__(self, rgb: Rgb, points_PXY: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refine a face's points (216, 2) in pixels of the picture; unchanged where its eyes fall on one place."""
        try:
            frame = mouth_frame(points_PXY)
        except ValueError:
            return points_PXY
        seen_KXY = frame.enter(points_PXY[None, REFINED])[0].astype(np.float32)
        refined = points_PXY.copy()
        refined[REFINED] = frame.leave(self.move(mouth_crop(rgb, frame), seen_KXY)[None])[0]
        return refined

    def move(self, crop_SS3: Rgb, seen_KXY: Matrix) -> Matrix:
        """Move points in the mouth's frame."""
        values_SSC = normalised(crop_SS3)
        for convolution in self.convolutions:
            values_SSC = convolution(values_SSC)
        shape_F = seen_KXY.ravel()
        hidden_F = np.maximum(np.concatenate([values_SSC.ravel(), shape_F]) @ self.hidden[0] + self.hidden[1], 0)
        shifts_F = np.concatenate([hidden_F, shape_F]) @ self.out[0] + self.out[1]
        return np.asarray(seen_KXY + shifts_F.reshape(seen_KXY.shape) * SHARES[:, None])


def _layer(arrays: Mapping[str, Array], name: str) -> tuple[Matrix, Matrix]:
    weights, bias = (arrays[f"{name}.{part}"].astype(np.float32) for part in ("weights", "bias"))
    return weights, bias


def normalised(crop_SS3: Rgb) -> Matrix:
    """Take brightness and contrast out of a crop (S, S, 3)."""
    values = crop_SS3.astype(np.float32)
    values -= values.mean()
    values /= np.sqrt((values**2).mean()) + np.float32(LEAST_SPREAD)
    return values


def weights_file() -> bytes:
    """Read the shipped weights.

    Raises: WeightsMissingError - they are not there.
    """
    try:
        return (files(__package__) / WEIGHTS).read_bytes()
    except OSError as error:
        raise _unusable(error) from error


def open_refiner(content: bytes) -> tuple[MouthRefiner, str]:
    """Build the network from the bytes of its file, and name its version: 8 hex digits of their sha256.

    Raises: WeightsMissingError - the file is damaged or of another network.
    """
    try:
        with np.load(BytesIO(content), allow_pickle=False) as stored:
            return MouthRefiner.of(dict(stored)), hashlib.sha256(content).hexdigest()[:8]
    except (BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError) as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> WeightsMissingError:
    return WeightsMissingError(
        f"backend face_mesh_v1r: {WEIGHTS} of the package cannot be used: {error}; pip install --force-reinstall"
        " heterodub"
    )
