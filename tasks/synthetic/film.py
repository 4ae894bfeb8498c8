"""Composition of synthetic videos from people, speech and other sounds: frames, sound, and ground truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice, repeat
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .mouth import Curve, MouthCurve, mouth_curve
from .people import BY_NAME, Person
from .portrait import portrait
from .render import Frame, motion, render, still
from .sound import in_a_room, music, noise, under
from .speech import SAMPLE_RATE_HZ, Phoneme, SpokenWords

Filter = Callable[[Frame], Frame]
SoundKind = Literal["speech", "music", "noise", "late", "nothing"]

LATE_S: Final = 0.5
"""Delay of late sound, in seconds."""

MUSIC_DB: Final = 3.0
"""Level of music over the speech it covers."""

NOISE_DB: Final = 0.0
"""Level of noise over the speech it covers."""

_SCENERY_S: Final = 1.6


@dataclass(frozen=True)
class SyntheticVideo:
    """Frames (H, W, 3) RGB, mono sound (N,) or None, and the truth: mouth opening per frame and phonemes.

    `opening` (T,) is 0 closed to 1; frames without a face have none (NaN). Phonemes have the times of the mouth.
    """

    frames: Iterator[Frame]
    fps: Fraction
    sound: NDArray[np.float32] | None
    opening: Curve
    phonemes: tuple[Phoneme, ...]


def talking(
    who: str,
    speech: SpokenWords,
    rng: np.random.Generator,
    fps: Fraction = Fraction(25),
    size: tuple[int, int] | None = None,
) -> SyntheticVideo:
    """Make a video of a speaking person, with faint camera and room noise; `size` (width, height) overrides theirs."""
    person = BY_NAME[who] if size is None else replace(BY_NAME[who], width=size[0], height=size[1])
    count = int(speech.duration_s * fps)
    mouth = mouth_curve(speech.phonemes, count, float(fps))
    frames = render(portrait(person), motion(mouth, rng, float(fps)), rng)
    return SyntheticVideo(frames, fps, in_a_room(speech.samples, rng), mouth.opening, speech.phonemes)


def standing_still(who: str, speech: SpokenWords, rng: np.random.Generator) -> SyntheticVideo:
    """Make a video of a person's still picture under speech."""
    count, fps = int(speech.duration_s * 25), Fraction(25)
    (picture,) = render(portrait(BY_NAME[who]), still(1))
    return SyntheticVideo(repeat(picture, count), fps, in_a_room(speech.samples, rng), np.zeros(count), speech.phonemes)


def two_at_once(who: tuple[str, ...], speech: SpokenWords, rng: np.random.Generator) -> SyntheticVideo:
    """Make a video of two people side by side; the first, on the left, speaks, the second listens."""
    speaker, listener = who
    spoken = talking(speaker, speech, rng)
    count = len(spoken.opening)
    quiet = MouthCurve(np.full(count, 0.03), np.zeros(count))
    listening = render(portrait(_narrowed(listener)), motion(quiet, rng, 25), rng)
    height = min(BY_NAME[speaker].height, BY_NAME[listener].height)
    both = (np.hstack([a[:height], b[:height]]) for a, b in zip(spoken.frames, listening, strict=True))
    return replace(spoken, frames=both)


def _narrowed(who: str) -> Person:
    return replace(BY_NAME[who], width=280)


def scenery(name: str, frames: int, size: tuple[int, int], rng: np.random.Generator) -> Iterator[Frame]:
    """Pan slowly over a picture of skimage.data without people; `size` is height, width."""
    from skimage import data

    picture = np.ascontiguousarray(getattr(data, name)()[..., :3])
    height, width = size
    enlarged = max(1.0, 1.3 * height / picture.shape[0], 1.3 * width / picture.shape[1])
    picture = np.asarray(cv2.resize(picture, None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_CUBIC), np.uint8)
    for index in range(frames):
        down, right = (picture.shape[0] - height) // 2, int((picture.shape[1] - width) * index / max(frames - 1, 1))
        view = picture[down : down + height, right : right + width] + rng.normal(0, 1.5, (height, width, 1))
        yield np.clip(view, 0, 255).astype(np.uint8)


def faceless(name: str, speech: SpokenWords, rng: np.random.Generator) -> SyntheticVideo:
    """Make a video of scenery under speech."""
    count = int(speech.duration_s * 25)
    frames = scenery(name, count, (320, 400), rng)
    return SyntheticVideo(frames, Fraction(25), in_a_room(speech.samples, rng), np.full(count, np.nan), speech.phonemes)


def cut_together(first: SyntheticVideo, second: SyntheticVideo, name: str, rng: np.random.Generator) -> SyntheticVideo:
    """Concatenate two videos, cropped to one size, with scenery between them."""
    between, size = int(_SCENERY_S * 25), (320, 320)
    quiet = in_a_room(np.zeros(int(_SCENERY_S * SAMPLE_RATE_HZ), np.float32), rng)
    start_s = (len(first.opening) + between) / 25
    later = tuple(Phoneme(p.ipa, p.start_s + start_s, p.end_s + start_s) for p in second.phonemes)
    return SyntheticVideo(
        chain(_fitted(first.frames, size), scenery(name, between, size, rng), _fitted(second.frames, size)),
        Fraction(25),
        np.concatenate([_trimmed(first), quiet, _trimmed(second)]),
        np.concatenate([first.opening, np.full(between, np.nan), second.opening]),
        first.phonemes + later,
    )


def _fitted(frames: Iterator[Frame], size: tuple[int, int]) -> Iterator[Frame]:
    for frame in frames:
        left = (frame.shape[1] - size[1]) // 2
        yield np.ascontiguousarray(frame[: size[0], left : left + size[1]])


def _trimmed(film: SyntheticVideo) -> NDArray[np.float32]:
    samples = int(len(film.opening) / film.fps * SAMPLE_RATE_HZ)
    sound = film.sound if film.sound is not None else np.zeros(samples, np.float32)
    return sound[:samples]


def with_sound(film: SyntheticVideo, how: SoundKind, rng: np.random.Generator) -> SyntheticVideo:
    """Replace the sound: music or noise over the speech, the speech late, or none."""
    if how == "speech" or film.sound is None:
        return film
    if how == "nothing":
        return replace(film, sound=None)
    length = len(film.sound)
    if how == "late":
        gap = in_a_room(np.zeros(int(LATE_S * SAMPLE_RATE_HZ), np.float32), rng)
        return replace(film, sound=np.concatenate([gap, film.sound])[:length])
    other, level_db = (music(length, rng), MUSIC_DB) if how == "music" else (noise(length, rng), NOISE_DB)
    return replace(film, sound=under(film.sound, other, level_db))


def dubbed(film: SyntheticVideo, other: SpokenWords, rng: np.random.Generator) -> SyntheticVideo:
    """Replace the speech by other words, silent where they end early."""
    samples = np.zeros(int(len(film.opening) / film.fps * SAMPLE_RATE_HZ), np.float32)
    samples[: len(other.samples)] = other.samples[: len(samples)]
    return replace(film, sound=in_a_room(samples, rng))


def filtered(film: SyntheticVideo, filter_: Filter) -> SyntheticVideo:
    """Apply a filter to every frame."""
    return replace(film, frames=map(filter_, film.frames))


def shortened(film: SyntheticVideo, frames: int) -> SyntheticVideo:
    """Cut a video to its first frames."""
    length = int(frames / film.fps * SAMPLE_RATE_HZ)
    sound = None if film.sound is None else film.sound[:length]
    return replace(film, frames=islice(film.frames, frames), sound=sound, opening=film.opening[:frames])


def grey(frame: Frame) -> Frame:
    """Convert a frame to black and white."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def blurred(frame: Frame) -> Frame:
    """Blur a frame as if out of focus."""
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), 2.2), np.uint8)


def tiny(frame: Frame) -> Frame:
    """Shrink a frame, so that a face of 165 px is 70 px high."""
    height, width = (int(side * 0.43 / 2) * 2 for side in frame.shape[:2])
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def on_its_side(frame: Frame) -> Frame:
    """Rotate a frame as the sensor of an upright phone stores it: players must turn it 90 degrees clockwise."""
    return np.ascontiguousarray(np.rot90(frame))
