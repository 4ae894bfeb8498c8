"""Colours of all drawings, distinguishable with red-green colour blindness, and their use."""

from typing import Final

from model.features.landmarks import BOUNDARIES, Boundary

PREDICTED_RGB: Final = (213, 94, 0)
OTHER_RGB: Final = (0, 158, 115)
"""A second prediction beside the first."""

TRUE_RGB: Final = (0, 114, 178)
GIVEN_RGB: Final = (150, 150, 150)
INK_RGB: Final = (40, 40, 40)

GIVEN: Final[tuple[Boundary, ...]] = tuple(one for one in BOUNDARIES if one.part == "pose")
"""Boundaries that are inputs of the network."""

MOVED: Final[tuple[Boundary, ...]] = tuple(one for one in BOUNDARIES if one.part != "pose")
"""Boundaries that it predicts."""


def hexed(rgb: tuple[int, int, int]) -> str:
    """Return a colour as a hex string, as charts take it."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)
