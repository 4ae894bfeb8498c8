"""Types of the arrays that are passed on, by what their elements are; validation of those that callers pass in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Real numbers of any width."""

Array = NDArray[np.float64]
"""Real numbers in the 64 bits that statistics are worked out in."""

Flags = NDArray[np.bool_]
"""Yes or no for each element."""

Rgb = NDArray[np.uint8]
"""One picture (H, W, 3)."""

Pictures = NDArray[np.uint8]
"""Several pictures (N, H, W, 3)."""


def require_numbers(what: str, values: NDArray[Any], *shape: int | None) -> None:
    """Check an array's shape, in which None is any length but 0, and that its values are real and finite in 32 bits.

    Raises: ValueError - dtype, shape or a value is wrong; the text says which.
    """
    expected = "(" + ", ".join("n" if length is None else str(length) for length in shape) + ")"
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{what}: numbers of shape {expected} are needed, got {values.dtype}")
    fits = values.ndim == len(shape) and all(
        size > 0 if length is None else size == length for size, length in zip(values.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{what}: the shape has to be {expected}, got {values.shape}")
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
        raise ValueError(f"{what}: a value is not finite")


def evenly_spaced(length: int, count: int) -> NDArray[np.intp]:
    """Return up to `count` indices of `length` items at even distances, the first and the last included; sorted."""
    return np.unique(np.linspace(0, length - 1, count).astype(np.intp))
