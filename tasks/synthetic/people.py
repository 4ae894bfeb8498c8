"""Synthetic speakers: face proportions, colours and voice of each."""

from dataclasses import dataclass
from typing import Final

from .speech import Voice

Colour = tuple[int, int, int]


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
class Tint:
    """A change of colour in CIE Lab: lightness times `gain`, plus shifts of a (red) and b (yellow)."""

    gain: float = 1.0
    red: float = 0.0
    yellow: float = 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """One speaker.

    `backdrop` is the colour of the wall behind, top and bottom; `scale` the size of the face against the photograph
    (1.5 makes it 165 px high); `hue` turns the colour of the clothes, in degrees.
    """

    name: str
    voice: Voice
    proportions: Proportions
    skin: Tint
    hair: Tint
    hue: int
    backdrop: tuple[Colour, Colour]
    mirrored: bool = False
    scale: float = 1.5
    width: int = 320
    height: int = 320


PEOPLE: Final[tuple[Person, ...]] = (
    Person(
        "ada",
        Voice("en-us+f1", 165, 50, 55),
        Proportions(),
        Tint(),
        Tint(),
        0,
        ((205, 198, 196), (170, 160, 158)),
    ),
    Person(
        "blair",
        Voice("en-us+m3", 160, 38, 45),
        Proportions(jaw=5, cheeks=3, chin=4, nose_width=3, brows=-2, lips=-0.6, hair=-5),
        Tint(0.90, 3, 5),
        Tint(0.35, -1, -10),
        205,
        ((92, 108, 122), (58, 70, 84)),
        mirrored=True,
        width=400,
    ),
    Person(
        "chidi",
        Voice("en-us", 165, 42, 50),
        Proportions(jaw=2, nose_width=5, nose_length=-2, lips=1.4, mouth_width=2, hair=-7, eye_size=0.4),
        Tint(0.52, 5, 6),
        Tint(0.22, -2, -16),
        110,
        ((196, 178, 140), (150, 128, 96)),
        scale=1.6,
    ),
    Person(
        "dora",
        Voice("en-us+f3", 172, 52, 55),
        Proportions(jaw=-5, cheeks=-3, chin=-3, eye_distance=2, eye_size=1.0, mouth_width=-3, lips=0.8, hair=5),
        Tint(0.98, 2, -4),
        Tint(0.62, 22, 12),
        285,
        ((120, 150, 128), (84, 112, 96)),
        mirrored=True,
        width=480,
        height=360,
    ),
    Person(
        "eli",
        Voice("en-us+m2", 165, 46, 40),
        Proportions(chin=7, nose_length=5, nose_width=-1, eye_distance=-2, cheeks=-4, brows=2, hair=-3),
        Tint(0.97, 4, 2),
        Tint(1.12, 0, -14),
        60,
        ((76, 62, 58), (44, 36, 36)),
        scale=1.45,
        width=360,
        height=360,
    ),
    Person(
        "farah",
        Voice("en-us+f5", 165, 48, 50),
        Proportions(cheeks=4, eye_size=1.2, eye_distance=1, nose_length=3, brows=-1.5, lips=1.0, hair=6),
        Tint(0.72, 3, 9),
        Tint(0.18, -2, -18),
        330,
        ((214, 190, 176), (186, 158, 148)),
        mirrored=True,
        scale=1.65,
        height=360,
    ),
    Person(
        "gale",
        Voice("en-us+m7", 158, 40, 55),
        Proportions(jaw=7, cheeks=6, chin=-1, nose_width=4, eye_distance=-1, mouth_width=4, eye_size=-0.6),
        Tint(0.86, 9, 0),
        Tint(0.75, 4, 4),
        150,
        ((150, 168, 190), (112, 128, 156)),
        width=400,
        height=320,
    ),
    Person(
        "hana",
        Voice("en-us+Annie", 172, 58, 55),
        Proportions(jaw=-3, cheeks=2, chin=-5, nose_length=-4, nose_width=-2, eye_distance=3, mouth_width=-4, hair=3),
        Tint(1.0, -2, 8),
        Tint(0.28, 2, -14),
        240,
        ((228, 222, 210), (204, 200, 190)),
        scale=1.55,
    ),
)

BY_NAME: Final = {person.name: person for person in PEOPLE}
