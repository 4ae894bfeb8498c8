"""Evidence behind a verdict, for its page: curves of each shot, stills of those that failed, and a small film."""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.model.features.arrays import Rgb, evenly_spaced
from heterodub.model.features.timing import SAMPLES_PER_FRAME, frame_to_sample, frame_to_second
from heterodub.schemas.acceptance import ShotEvidence, ShotVerdict
from heterodub.tasks.dubbing.jobs import synthetic_comment
from heterodub.tasks.evaluation.shot_measures import FilmMeter, FramePair, MeasuredShot
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.visualization.video_writer import write_video

CURVES: Final = ("opening", "wanted", "source", "seam", "colour_step", "flicker", "silent")

_POINTS: Final = 20_000
_FEWEST, _MOST = 20, 600
"""Points of all curves' times together, and of a shot's at least and at most: a page is read by people."""

_STILLS: Final = 60
"""Stills on a page at most."""

_HIGH_PX: Final = 180
_CRF, _CRF_BEFORE, _KBIT_S = 28, 16, 400
"""Height of the small film's pictures, its quality, that of parts which are encoded once more, and the kilobits that a
second of it takes at most."""

_COMMENT: Final = synthetic_comment("the mouth on the right was made to fit another speech")
"""By which ingest knows the small film, as it knows a dub."""


def evidence_of(shots: Sequence[MeasuredShot], verdicts: Sequence[ShotVerdict]) -> tuple[ShotEvidence, ...]:
    """Return the evidence of every shot."""
    points = int(np.clip(_POINTS // max(1, len(shots)), _FEWEST, _MOST))
    left = _STILLS
    collected = []
    for shot, verdict in zip(shots, verdicts, strict=True):
        stills = _stills(shot, verdict, left)
        left -= len(stills)
        collected.append(ShotEvidence(_curves(shot, points), stills))
    return tuple(collected)


def _curves(shot: MeasuredShot, points: int) -> dict[str, list[float | None]]:
    rows = evenly_spaced(len(shot.frames.time_s), points)
    columns = {"time_s": np.array(shot.frames.time_s), **{name: shot.frames.of(name) for name in CURVES}}
    return {
        name: [None if np.isnan(value) else round(float(value), 4) for value in values[rows]]
        for name, values in columns.items()
    }


def _stills(shot: MeasuredShot, verdict: ShotVerdict, most: int) -> dict[str, bytes]:
    """Stills of the limits that a shot breaks; where a measure has no frame, the one with the lips furthest off."""
    stills: dict[str, bytes] = {}
    for broken in verdict.broken:
        name = broken.measure if broken.measure in shot.stills else "nme_lips"
        if name in shot.stills and len(stills) < most:
            stills[name] = shot.stills[name]
    return stills


def write_small_film(path: Path, meter: FilmMeter, sound: SpeechSource, length_s: float) -> None:
    """Measure a file, and meanwhile write a small film of it: source and dub side by side, with the file's sound.

    Raises: as FilmMeter.pairs; av.error.FFmpegError, OSError - it cannot be written.
    """
    frames = frames_at_25_fps(length_s)
    with closing(meter.pairs()) as pairs:
        write_sounded(path, at_25_fps(pairs, range(frames)), frames, sound)


def write_sounded(path: Path, pictures: Iterator[Rgb], frames: int, sound: SpeechSource) -> None:
    """Write a small film with the sound of a dub.

    Raises: av.error.FFmpegError, OSError - it cannot be written.
    """
    samples = np.memmap(path.with_suffix(".sound"), np.float32, "w+", shape=(frames * SAMPLES_PER_FRAME,))
    for first in range(0, frames, 1500):
        part = slice(frame_to_sample(first), frame_to_sample(min(frames, first + 1500)))
        samples[part] = sound.samples(part.start, part.stop - part.start)
    try:
        write_video(path, pictures, _CRF, _KBIT_S, samples, _COMMENT)
    finally:
        del samples
        path.with_suffix(".sound").unlink()


def write_silent(path: Path, pictures: Iterator[Rgb]) -> None:
    """Write a part of a small film that is going to be encoded once more.

    Raises: av.error.FFmpegError, OSError - it cannot be written.
    """
    write_video(path, pictures, _CRF_BEFORE, _KBIT_S * 10)


def frames_at_25_fps(length_s: float) -> int:
    """Return the number of frames of a small film."""
    return max(1, round(length_s / frame_to_second(1)))


def shown_at_25_fps(timeline: OutputTimeline, numbers: range) -> range:
    """Return the frames of a small film that begin in some frames of the output."""

    def before(number: int) -> int:
        if number == timeline.frames:
            return frames_at_25_fps(float(timeline.end_s))
        return math.ceil(float(timeline.seconds(slice(number, number + 1))[0]) / frame_to_second(1) - 1e-6)

    return range(before(numbers.start), before(numbers.stop))


def at_25_fps(pairs: Iterator[FramePair], frames: range) -> Iterator[Rgb]:
    """Yield a picture for each frame, one each 40 ms: the last pair that has begun by then. All pairs are taken."""
    shown, last = frames.start, next(pairs)
    for pair in pairs:
        while shown < frames.stop and frame_to_second(shown) < pair.time_s - 1e-6:
            yield _side_by_side(last)
            shown += 1
        last = pair
    for _ in range(shown, frames.stop):
        yield _side_by_side(last)


def _side_by_side(pair: FramePair) -> Rgb:
    height, width = pair.dubbed.shape[:2]
    wide = max(2, round(width * _HIGH_PX / height / 2) * 2)
    method = cv2.INTER_AREA if height >= 2 * _HIGH_PX else cv2.INTER_LINEAR  # the former costs more, and shows less
    both = [cv2.resize(picture, (wide, _HIGH_PX), interpolation=method) for picture in (pair.source, pair.dubbed)]
    return np.concatenate(both, axis=1)
