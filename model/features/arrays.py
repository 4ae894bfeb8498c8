"""Types of the arrays that pass between rooms, by what their elements are."""

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
