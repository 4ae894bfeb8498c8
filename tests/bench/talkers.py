"""Films of many drawn speakers, to train the models that ship: `python -m tests.bench.talkers FOLDER --people 48`.

Each speaker is a face of the sample's renderer: the looks of one of the sample's people, with proportions, breadth and
voice drawn at random. Unlike the sample's, the heads turn and nod, and rooms and microphones differ, since a model
learns from these what it will meet in footage of people. Faces stem from one photograph in the public domain and voices
from espeak-ng: nobody's footage is learned from.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from heterodub.tasks.synthetic.mouth import MouthCurve, mouth_curve
from heterodub.tasks.synthetic.people import PEOPLE, PHRASES, Person, Proportions
from heterodub.tasks.synthetic.portrait import Portrait, portrait
from heterodub.tasks.synthetic.render import Frame, motion, render
from heterodub.tasks.synthetic.sound import in_a_room
from heterodub.tasks.synthetic.speech import SAMPLE_RATE_HZ, SpokenWords, Utterance, Voice, speak
from heterodub.tasks.synthetic.write import CONTAINERS, write_film

LICENCE: Final = "public domain (NASA portrait of Eileen Collins); voices by espeak-ng"

_ACCENTS: Final = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-us-nyc")
_VARIANTS: Final = (
    "", "+f1", "+f2", "+f3", "+f4", "+f5", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+Annie", "+Alicia",
    "+Andrea", "+Andy", "+Denis", "+Diogo", "+Gene", "+Hugo", "+Jacky", "+Lee", "+Marco", "+Mario", "+Michael", "+Mike",
    "+Reed", "+Storm", "+adam", "+anika", "+aunty", "+belinda", "+benjamin", "+boris", "+caleb", "+david", "+ed",
    "+edward", "+grandma", "+grandpa", "+ian", "+iven", "+john", "+linda", "+max", "+michel", "+miguel", "+pablo",
    "+paul", "+pedro", "+quincy", "+rob", "+robert", "+sandro", "+shelby", "+steph", "+travis", "+victor", "+zac",
)  # fmt: skip
_REACH: Final = Proportions(6, 5, 6, 4, 4.5, 2.5, 1.1, 2, 4, 1.2, 6)
"""Largest displacement of each part of a face; the sample's people stay within it."""

_SENTENCES: Final = (
    *PHRASES,
    "She sells six sheets of thick grey cheese each Thursday",
    "Which switch did the children choose this week",
    "The ship's engine is still in its seventh test",
    "He thinks these three things are rather easy",
    "Yes, seven or eight of us will be here until ten",
    "It is just a little thing that I should like to finish",
    "Keep the kitchen key in the green tin",
    "We were going to wait for you near the river",
    "Who would choose to move to such a cool blue room",
    "Few of you knew how soon the news would go round",
    "Four or five of the fellows have left for the valley",
    "Very few voices were heard over the wind",
    "You could look through the good book in the woods",
    "Good evening, and thank you for joining us tonight",
    "In my view this is the question we have to answer first",
    "I do not think that anyone can say how long it will take",
    "There are twenty one thousand people in this city",
    "The judge urged her to change the third verse",
    "Last year's figures were higher than we had expected",
    "Let me give you an example of what I have in mind",
    "How now does the brown cow go round the house",
    "A noisy boy enjoyed his toys and spoiled the choir",
    "Where there is care there is hardly ever fear",
    "Green trees seem to need three weeks of heat",
)

Rng = np.random.Generator


def main() -> None:
    """Make the films and their manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=48)
    parser.add_argument("--films", type=int, default=2, help="of each")
    parser.add_argument("--phrases", type=int, default=3, help="in each film")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(make_films(asked.folder, asked.people, asked.films, asked.phrases, asked.seed))


def make_films(folder: Path, people: int, films: int, phrases: int, seed: int = 1) -> Path:
    """Write films of drawn speakers and their manifest, whose path is returned. The same seed gives the same files.

    Raises: OSError - the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    cast = [drawn_person(f"talker{number:03}", rng) for number in range(people)]
    texts = _drawn(rng)
    takes = [
        (person, Utterance(person.voice, tuple(next(texts) for _ in range(phrases)), _pauses(phrases, rng)))
        for person in cast
        for _ in range(films)
    ]
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("uri", "speaker", "licence", "consent", "language"))
        for number, ((person, _), words) in enumerate(zip(takes, speak([said for _, said in takes]), strict=True)):
            path = folder / f"{person.name}-{number % films}.mp4"
            film(path, person, words, np.random.default_rng([seed, number]))
            rows.writerow((path.resolve(), person.name, LICENCE, "synthetic: nobody said or did this", "en"))
            print(path.name, file=sys.stderr, flush=True)
    return manifest


def drawn_person(name: str, rng: Rng) -> Person:
    """Draw a speaker."""
    voice = Voice(
        f"{rng.choice(_ACCENTS)}{rng.choice(_VARIANTS)}",
        int(rng.integers(140, 195)),
        int(rng.integers(30, 65)),
        int(rng.integers(35, 65)),
    )
    reach = np.array([getattr(_REACH, field.name) for field in fields(Proportions)])
    wall = rng.integers(40, 215, 3)
    side = int(rng.integers(18, 25)) * 16
    return Person(
        name,
        voice,
        PEOPLE[int(rng.integers(len(PEOPLE)))].look,
        (tuple(map(int, wall)), tuple(map(int, wall * rng.uniform(0.6, 0.95)))),
        Proportions(*map(float, reach * np.clip(rng.normal(0, 0.6, len(reach)), -1.1, 1.1))),
        float(rng.uniform(0.9, 1.1)),
        bool(rng.random() < 0.5),
        float(rng.uniform(1.4, 1.75)),
        side,
        side,
    )


def film(path: Path, person: Person, words: SpokenWords, rng: Rng) -> None:
    """Write a film of a person who says the words, with a head that turns, a room and a microphone."""
    fps, count = Fraction(25), int(words.duration_s * 25)
    mouth = _lively(mouth_curve(words.phonemes, count, 25.0), rng)
    face = portrait(person)
    frames = turned(render(face, motion(mouth, rng, 25.0), rng), face, _turns(count, rng))
    write_film(path, frames, fps, in_a_room(recorded(words.samples, rng), rng), CONTAINERS["mp4"])


def _lively(mouth: MouthCurve, rng: Rng) -> MouthCurve:
    """People open their mouths more or less far."""
    return replace(mouth, opening=np.clip(mouth.opening * rng.uniform(0.65, 1.15), 0, 1.1))


def _turns(count: int, rng: Rng) -> NDArray[np.float64]:
    """Angles (T, 2) to the side and down, radians: a lasting one and slow movement about it."""
    times = np.arange(count) / 25
    resting = np.clip(rng.normal(0, (9, 5), 2), (-20, -9), (20, 9))
    angles = np.tile(resting, (count, 1))
    for axis, reach in enumerate((6.0, 4.0)):
        for slowest in (0.12, 0.3, 0.8):
            rate = slowest * rng.uniform(0.8, 1.3)
            size = reach * 0.35 * min(1.0, 0.3 / slowest)
            angles[:, axis] += size * np.sin(2 * np.pi * (rate * times + rng.random()))
    return np.deg2rad(angles)


def turned(frames: Iterator[Frame], face: Portrait, angles: NDArray[np.float64]) -> Iterator[Frame]:
    """Turn the head of each frame about its middle by the angles (T, 2), as if it were half of an ellipsoid."""
    height, width = face.picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = np.float32(85 * face.unit)
    for frame, (aside, down) in zip(frames, angles, strict=True):
        left, top = x - face.head[0], y - face.head[1]
        across, along = left, top
        for _ in range(4):  # fixed point: where a point of the turned head was before
            depth = radius * np.sqrt(np.clip(1 - (across / radius) ** 2 * 0.9 - (along / radius) ** 2 * 0.5, 0, 1))
            across = (left - np.float32(np.sin(aside)) * depth) / np.float32(np.cos(aside))
            along = (top - np.float32(np.sin(down)) * depth) / np.float32(np.cos(down))
        source = (np.asarray(across + face.head[0], np.float32), np.asarray(along + face.head[1], np.float32))
        yield np.asarray(cv2.remap(frame, *source, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def recorded(speech: NDArray[Any], rng: Rng) -> NDArray[np.float32]:
    """Add a small room's echo and a microphone's tilt; the speech keeps its level."""
    length = int(0.25 * SAMPLE_RATE_HZ)
    times = np.arange(length) / SAMPLE_RATE_HZ
    echo = rng.normal(0, 1, length) * np.exp(-times / rng.uniform(0.02, 0.06))
    echo *= rng.uniform(0.0, 0.5) / np.sqrt(np.sum(echo**2))
    echo[0] += 1
    spectrum = np.fft.rfft(fftconvolve(speech, echo)[: len(speech)])
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(speech), 1 / SAMPLE_RATE_HZ), 60) / 1000)
    heard = np.fft.irfft(spectrum * 10 ** (rng.normal(0, 1.5) * octaves / 20), len(speech))
    level = np.sqrt(np.mean(np.square(speech)) / np.mean(np.square(heard)))
    return np.asarray(np.clip(heard * level, -0.95, 0.95), np.float32)


def _pauses(phrases: int, rng: Rng) -> tuple[float, ...]:
    return (
        float(rng.uniform(0.25, 0.4)),
        *map(float, rng.uniform(0.3, 0.6, phrases - 1)),
        float(rng.uniform(0.3, 0.5)),
    )


def _drawn(rng: Rng) -> Iterator[str]:
    while True:
        yield from (_SENTENCES[place] for place in rng.permutation(len(_SENTENCES)))


if __name__ == "__main__":
    main()
