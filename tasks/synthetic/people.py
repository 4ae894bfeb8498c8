"""Synthetic speakers (face, looks and voice of each) and their phrases, as people.toml lists them."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np
from pydantic import TypeAdapter

from .drawing import Colour
from .looks import Look
from .speech import Voice


@dataclass(frozen=True, slots=True)
class Proportions:
    """Displacements of parts of the face, in photograph pixels (the face is 110 high). Positive enlarges the part."""

    jaw: float = 0.0
    cheeks: float = 0.0
    chin: float = 0.0
    nose_width: float = 0.0
    nose_length: float = 0.0
    eye_distance: float = 0.0
    eye_size: float = 0.0
    brows: float = 0.0
    mouth_width: float = 0.0
    lips: float = 0.0
    hair: float = 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """One speaker.

    `backdrop` is the colour of the wall behind, top and bottom; `scale` the size of the face against the photograph
    (1.5 makes it 165 px high); `breadth` is the width of the head against its height, 1 as photographed.
    """

    name: str
    voice: Voice
    look: Look
    backdrop: tuple[Colour, Colour]
    proportions: Proportions = Proportions()
    breadth: float = 1.0
    mirrored: bool = False
    scale: float = 1.5
    width: int = 320
    height: int = 320


_LISTED: Final = tomllib.loads(files(__package__).joinpath("people.toml").read_text("utf-8"))

PEOPLE: Final = TypeAdapter(tuple[Person, ...]).validate_python(_LISTED["people"])
BY_NAME: Final = {person.name: person for person in PEOPLE}
PHRASES: Final[tuple[str, ...]] = tuple(_LISTED["phrases"])


def drawn(rng: np.random.Generator) -> Iterator[str]:
    """Yield phrases in random order, endlessly; each comes once before any repeats."""
    while True:
        for index in rng.permutation(len(PHRASES)):
            yield PHRASES[index]
