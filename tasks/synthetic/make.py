"""Creation of the whole sample: media, ground truth and corpus file."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from . import film as films
from .film import SyntheticVideo
from .kinds import ROWS, SPEAKER_PATTERN, SampleFile, Shoot
from .people import BY_NAME, drawn
from .photo import photo
from .portrait import portrait
from .sound import in_a_room
from .speech import SpokenWords, Utterance, speak
from .truth import write_film_truth, write_table
from .write import CONTAINERS, cut_off, turn_display, write_film, write_gif, write_sound, write_still

_KEPT_OF_BROKEN: Final = 0.6
_SHOWN_OF_IRREGULAR: Final = 0.85
_GIF_FRAMES: Final = 36
_CORPUS_FILE: Final = """\
# Made by `heterodub sample`; truth.csv says what should become of each file.
name = "sample"
root = "media"
glob = "**/*"
speaker = '{speaker}'
licence = "LicenseRef-Public-Domain"  # a portrait of Eileen Collins by NASA; voices by espeak-ng
consent = "not_needed: synthetic, nobody said or did this"
language = "en"
"""

Rng = np.random.Generator


def make_sample(
    folder: Path,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    only: Collection[str] | None = None,
) -> Path:
    """Write `folder`/media, `folder`/truth.csv, `folder`/truth/*.npz and `folder`/corpus.toml; return the corpus file.

    The same seed gives the same files. `progress` is called with the name of each file once it is made, in order. Files
    of these names are overwritten, others left alone. `only`: names of the files to make, by default all; each is the
    same as in the whole sample, and a copy needs the file it copies.

    Raises: OSError - the folder cannot be written; RuntimeError - speech synthesis does not work here.
    """
    for part in ("media", "truth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    chosen_rows = [(number, row) for number, row in enumerate(ROWS) if only is None or row.file in only]
    spoken = _spoken(seed, ROWS[: chosen_rows[-1][0] + 1])
    photo()  # else every thread would measure it anew

    def make(chosen: tuple[int, SampleFile]) -> str:
        number, row = chosen
        _make(folder, row, spoken.get(row.file, []), np.random.default_rng([seed, number]))
        return row.file

    made, copies = (  # a copy needs its original
        [chosen for chosen in chosen_rows if (chosen[1].recipe == "copy") is is_copy] for is_copy in (False, True)
    )
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for file in chain(pool.map(make, made), map(make, copies)):
            if progress is not None:
                progress(file)
    write_table(folder, [row for _, row in chosen_rows])
    corpus = folder / "corpus.toml"
    corpus.write_text(_CORPUS_FILE.format(speaker=SPEAKER_PATTERN), "utf-8")
    return corpus


def _spoken(seed: int, rows: Sequence[SampleFile]) -> dict[str, list[SpokenWords]]:
    """Synthesise the speech of the first rows of the sample, by file: one speech for each voice it needs."""
    rng = np.random.default_rng(seed)
    phrases = drawn(rng)
    voices = [(row.file, voice, count) for row in rows for voice, count in _voices(row)]
    utterances = [_utterance(voice, count, phrases, rng) for _, voice, count in voices]
    by_file: dict[str, list[SpokenWords]] = {}
    for (file, _, _), speech in zip(voices, speak(utterances), strict=True):
        by_file.setdefault(file, []).append(speech)
    return by_file


def _voices(row: SampleFile) -> list[tuple[str, int]]:
    """Return the voices of a file with their numbers of phrases; the visible speaker's before the audible one's."""
    if row.recipe == "sound_only" and row.speaker:
        return [(row.speaker, 2)]
    if not isinstance(row.recipe, Shoot):
        return []
    shoot = row.recipe
    speakers = shoot.who if shoot.picture == "cut_together" else shoot.who[:1]
    return [(name, shoot.phrases) for name in (*speakers, *filter(None, [shoot.voice]))]


def _utterance(who: str, count: int, phrases: Iterator[str], rng: Rng) -> Utterance:
    pauses = (rng.uniform(0.25, 0.4), *rng.uniform(0.32, 0.5, count - 1), rng.uniform(0.35, 0.5))
    return Utterance(BY_NAME[who].voice, tuple(next(phrases) for _ in range(count)), tuple(map(float, pauses)))


def _make(folder: Path, row: SampleFile, spoken: list[SpokenWords], rng: Rng) -> None:
    path = folder / "media" / row.file
    if isinstance(row.recipe, Shoot):
        shot = _shot(row.recipe, spoken, rng)
        write_film_truth(folder, row.file, shot)
        _written(path, row.recipe, shot, rng)
    elif row.recipe == "copy":
        shutil.copyfile(folder / "media" / row.of, path)
    elif row.recipe == "picture":
        write_still(path, portrait(BY_NAME[row.speaker or ""]).picture)
    elif row.recipe == "sound_only":
        write_sound(path, in_a_room(spoken[0].samples, rng))
    else:
        path.write_bytes(_CONTENT[row.recipe])


_CONTENT: Final = {
    "text": b"Shooting notes\n\nTake three was the good one. Ask about the release forms.\n" * 12,
    "empty": b"",
    "playlist": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:9.0,\nada-clean.mp4\n#EXT-X-ENDLIST\n",
}


def _shot(shoot: Shoot, spoken: list[SpokenWords], rng: Rng) -> SyntheticVideo:
    """Make a recipe's video, with its final sound and look."""
    shot = _pictured(shoot, spoken, rng)
    if shoot.voice is not None:
        shot = films.dubbed(shot, spoken[1], rng)
    shot = films.with_sound(shot, shoot.heard, rng)
    for filter_ in shoot.filters:
        shot = films.filtered(shot, filter_)
    return shot if shoot.keep_frames is None else films.shortened(shot, shoot.keep_frames)


def _pictured(shoot: Shoot, spoken: list[SpokenWords], rng: Rng) -> SyntheticVideo:
    match shoot.picture:
        case "still":
            return films.standing_still(shoot.who[0], spoken[0], rng)
        case "two_at_once":
            return films.two_at_once(shoot.who, spoken[0], rng)
        case "cut_together":
            first, second = (films.talking(who, speech, rng) for who, speech in zip(shoot.who, spoken, strict=True))
            return films.cut_together(first, second, "rocket", rng)
        case "scenery":
            return films.faceless("coffee", spoken[0], rng)
        case "talking":
            fps = Fraction(25, 2) if shoot.gif else Fraction(shoot.fps)
            return films.talking(shoot.who[0], spoken[0], rng, fps, shoot.size)


def _written(path: Path, shoot: Shoot, shot: SyntheticVideo, rng: Rng) -> None:
    if shoot.gif:
        write_gif(path, films.shortened(shot, _GIF_FRAMES).frames, shot.fps)
        return
    frame_numbers = None
    if shoot.irregular:
        mask = rng.random(len(shot.opening)) < _SHOWN_OF_IRREGULAR
        frame_numbers = [0, *(np.flatnonzero(mask[1:]) + 1).tolist()]
    write_film(path, shot.frames, shot.fps, shot.sound, CONTAINERS[shoot.container], frame_numbers)
    if shoot.aftermath == "cut_off":
        cut_off(path, _KEPT_OF_BROKEN)
    elif shoot.aftermath == "turn_display":
        turn_display(path, 90)
