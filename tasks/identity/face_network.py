"""dlib's face recogniser (a ResNet with 29 convolutions), run by numpy: (n, 150, 150, 3) face chips to (n, 128).

dlib's own code takes three times as long, and would be one more library beside foreign footage. The network is
`anet_type` of dlib's examples/dnn_face_recognition_ex.cpp; the file is dlib's, of which the parameters are read in the
order in which they are needed. A test holds the result against dlib's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Pictures

from .weights import package_file

CHIP_PX: Final = 150
FACE_SIZE: Final = 128

_PACKAGE, _FILE = "face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat"

_MEAN_RGB: Final = np.array([122.782, 117.001, 104.298], np.float32)
_LEVELS: Final = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels and residual blocks of each level, from the input on, and True where its first block halves the size."""

Numbers = NDArray[np.float32]
Maps = NDArray[np.float32]
"""Feature maps (n, height, width, channels)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Conv:
    """A convolution with the affine layer behind it. weights: (side * side * channels, filters), bias: (filters,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    side: int

    def __call__(self, maps: Maps, stride: int = 1) -> Maps:
        """Convolve; with stride 1 the size stays, with 2 nothing is padded."""
        around = self.side // 2 if stride == 1 else 0
        padded = np.pad(maps, ((0, 0), (around, around), (around, around), (0, 0))) if around else maps
        windows = _windows(padded, self.side, stride)
        count, height, width = windows.shape[:3]
        columns = np.ascontiguousarray(windows.transpose(0, 1, 2, 4, 5, 3)).reshape(-1, len(self.weights))
        return (columns @ self.weights + self.bias).reshape(count, height, width, -1)


@dataclass(frozen=True, slots=True, eq=False)
class FaceNetwork:
    """The network, ready to use; `open_face_network` makes it."""

    first: _Conv
    blocks: tuple[tuple[_Conv, _Conv, bool], ...]
    """Of each residual block both convolutions, and True where it halves the size."""
    last: NDArray[np.float32]

    def descriptors(self, chips_NSS3: Pictures) -> NDArray[np.float32]:
        """Compute the descriptors (n, 128) of face chips (n, 150, 150, 3)."""
        maps = np.maximum(self.first((chips_NSS3 - _MEAN_RGB) / np.float32(256), 2), 0)
        maps = np.asarray(_windows(maps, 3, 2).max(axis=(4, 5)))
        for first, second, is_halved in self.blocks:
            inner = second(np.maximum(first(maps, 2 if is_halved else 1), 0))
            outer = _windows(maps, 2, 2).mean(axis=(4, 5)) if is_halved else maps
            maps = np.maximum(_sum(inner, outer), 0)
        return np.asarray(maps.mean(axis=(1, 2)) @ self.last)


def _windows(maps: Maps, side: int, stride: int) -> Maps:
    """View (n, height, width, channels, side, side) of all windows that lie inside."""
    return np.lib.stride_tricks.sliding_window_view(maps, (side, side), axis=(1, 2))[:, ::stride, ::stride]


def _sum(first: Maps, second: Maps) -> Maps:
    """Add maps of which one may be smaller, or have fewer channels: the rest of it counts as zero."""
    if first.shape == second.shape:
        return first + second
    total = np.zeros(np.maximum(first.shape, second.shape), np.float32)
    for maps in (first, second):
        total[tuple(slice(size) for size in maps.shape)] += maps
    return total


@cache
def open_face_network() -> FaceNetwork | None:
    """Load the network; None where its package is not installed, or its file is another network.

    Raises: OSError - the file cannot be read.
    """
    file = package_file(_PACKAGE, _FILE)
    return None if file is None else read_face_network(file)


def read_face_network(file: Path) -> FaceNetwork | None:
    """Read the network from dlib's file; None where that is another one.

    Raises: OSError - the file cannot be read.
    """
    data = file.read_bytes()
    try:
        convolutions, affines = (list(_parameters(data, kind)) for kind in (b"con_4", b"affine_"))
        (last,) = _parameters(data, b"fc_2", skipped=2)
        halves = [is_halved and not number for _, blocks, is_halved in _LEVELS for number in range(blocks)]
        widths = [width for width, blocks, _ in _LEVELS for _ in range(2 * blocks)]
        inputs = [_LEVELS[0][0], *widths[:-1]]
        first = _conv(convolutions[0], affines[0], 7, 3, _LEVELS[0][0])
        rest = zip(convolutions[1:], affines[1:], inputs, widths, strict=True)
        convs = [_conv(both, affine, 3, channels, filters) for both, affine, channels, filters in rest]
        pairs = list(pairwise(convs))[::2]
        blocks = tuple((*pair, is_halved) for pair, is_halved in zip(pairs, halves, strict=True))
        return FaceNetwork(first, blocks, last.reshape(-1, FACE_SIZE).copy())
    except (ValueError, IndexError):
        return None


def _conv(parameters: Numbers, affine: Numbers, side: int, channels: int, filters: int) -> _Conv:
    """Join the filters and biases of a convolution with the factors and offsets of the affine layer behind it."""
    kernels, bias = parameters[:-filters].reshape(filters, channels, side, side), parameters[-filters:]
    factors, offsets = affine.reshape(2, filters)
    weights = (kernels * factors[:, None, None, None]).transpose(2, 3, 1, 0).reshape(-1, filters)
    return _Conv(np.ascontiguousarray(weights, np.float32), bias * factors + offsets, side)


def _parameters(data: bytes, kind: bytes, skipped: int = 0) -> Iterator[Numbers]:
    """Yield the tensors that follow the name of a kind of layer in dlib's file, in order. skipped: numbers between."""
    name, at = bytes((1, len(kind))) + kind, 0
    while (at := data.find(name, at)) >= 0:
        at += len(name)
        for _ in range(skipped):
            _, at = _integer(data, at)
        shape = []
        for _ in range(5):  # version, and the four sides
            side, at = _integer(data, at)
            shape.append(side)
        count = int(np.prod(shape[1:]))
        yield np.frombuffer(data, "<f4", count, at)
        at += 4 * count


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """Read one of dlib's integers: its length in a byte, then its bytes. Returns it, and the place behind it."""
    stop = at + 1 + (data[at] & 15)
    return int.from_bytes(data[at + 1 : stop], "little"), stop
