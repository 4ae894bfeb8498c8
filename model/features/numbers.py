"""What arrays from outside have to be before anything is computed from them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def require_numbers(what: str, values: NDArray[Any], *shape: int | None) -> None:
    """Hold an array against a shape, in which None is any length but 0; its values are finite real numbers in 32 bits.

    Raises: ValueError - it is another array; the text says how.
    """
    wanted = "(" + ", ".join("n" if length is None else str(length) for length in shape) + ")"
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{what}: numbers of shape {wanted} are needed, got {values.dtype}")
    fits = values.ndim == len(shape) and all(
        got > 0 if length is None else got == length for got, length in zip(values.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{what}: the shape has to be {wanted}, got {values.shape}")
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
        raise ValueError(f"{what}: a value is not finite")
