"""Choice of the face that the source's own sound belongs to, among several in a shot: `--face speaking`."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import Track, nth_face
from heterodub.model.dubbing.timing import at_times
from heterodub.model.features.arrays import Array
from heterodub.model.features.mel import log_mel
from heterodub.model.features.timing import frame_to_sample, frame_to_second
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.contract import FPS
from heterodub.tasks.dubbing.face_tracking import Followed
from heterodub.tasks.dubbing.own_sound import own_sound
from heterodub.tasks.media.speech import SpeechSource
from heterodub.tasks.quality.av_sync import LEAST_FRAMES
from heterodub.tasks.quality.speaking import DECIDED, SeenFace, SpeakingTurn, margin, speaking_evidence, turns


@dataclass(frozen=True, slots=True, eq=False)
class SpeakingFaces:
    """Tracks to dub, of which no two are on screen at once; notes: on what could not be decided, for people."""

    tracks: list[Track]
    notes: tuple[str, ...]


def speaking_faces(followed: Followed, film: Path, limits: LimitSettings) -> SpeakingFaces:
    """Choose in each shot the faces that the film's own sound belongs to, cut at the turns. The largest face speaks
    where that is not clear, and where the film has no sound.

    Raises: MediaRefusedError - the disk is full.
    """
    shots: dict[int, list[Track]] = {}
    for track in followed.tracks:
        shots.setdefault(track.shot, []).append(track)
    if not any(_overlap(tracks) for tracks in shots.values()):
        return SpeakingFaces(followed.tracks, ())
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch, own_sound(film, limits, Path(scratch)) as own:
        if (sound := own.source) is None:
            note = f"no sound says which of the faces speaks ({own.missing}): the largest is dubbed"
            return SpeakingFaces(nth_face(followed.tracks, 1), (note,))
        times_S = np.asarray(followed.ticks_S * float(followed.base), np.float64)
        chosen, undecided_s = [], 0.0
        for tracks in shots.values():
            if _overlap(tracks):
                parts, unclear_s = _speakers(tracks, times_S, sound)
                undecided_s += unclear_s
                chosen += parts
            else:
                chosen += tracks
    note = f"it is not clear which face speaks during {undecided_s:.1f} s: the largest is dubbed there"
    return SpeakingFaces(sorted(chosen, key=lambda track: track.first), (note,) if undecided_s else ())


def _overlap(tracks: Sequence[Track]) -> bool:
    ordered = sorted(tracks, key=lambda track: track.first)
    return any(after.first < before.stop for before, after in pairwise(ordered))


def _speakers(tracks: Sequence[Track], times_S: NDArray[np.float64], sound: SpeechSource) -> tuple[list[Track], float]:
    """Return the parts of a shot's tracks in which each speaks, and the seconds for which that is not clear."""
    first = int(np.ceil(times_S[min(track.first for track in tracks)] * FPS))
    stop = int(times_S[max(track.stop for track in tracks) - 1] * FPS) + 1
    samples = sound.samples(frame_to_sample(first), frame_to_sample(max(0, stop - first)))
    faces = [_seen(track, times_S, first, stop) for track in tracks]
    evidence_NT = speaking_evidence(faces, log_mel(samples, stop - first))
    parts: list[Track] = []
    undecided_s = 0.0
    largest = nth_face(tracks, 1)
    for turn in turns(evidence_NT, LEAST_FRAMES):
        pictures = np.searchsorted(times_S, [frame_to_second(first + turn.first), frame_to_second(first + turn.stop)])
        low = int(pictures[0]) if turn.first else 0
        high = int(pictures[1]) if first + turn.stop < stop else len(times_S)
        if _is_clear(evidence_NT, faces, turn):
            parts += _parts([tracks[turn.face]], low, high)
        else:
            undecided_s += frame_to_second(turn.stop - turn.first)
            parts += _parts(largest, low, high)
    return parts, undecided_s


def _seen(track: Track, times_S: NDArray[np.float64], first: int, stop: int) -> SeenFace:
    """Bring a track to 25 frames a second; it is not seen in frames before and after it."""
    wanted_s = np.arange(first, stop) / FPS
    times_T = times_S[track.first : track.stop]
    nearest = np.clip(np.searchsorted(times_T, wanted_s), 0, len(times_T) - 1)
    inside = (wanted_s >= times_T[0]) & (wanted_s <= times_T[-1])
    points = at_times(track.points_TPXY, times_T, wanted_s).astype(np.float32)
    return SeenFace(points, track.usable[nearest] & inside)


def _is_clear(evidence_NT: Array, faces: Sequence[SeenFace], turn: SpeakingTurn) -> bool:
    frames = slice(turn.first, turn.stop)
    others = [number for number in range(len(faces)) if number != turn.face and faces[number].usable_T[frames].any()]
    return all(margin(evidence_NT, turn.face, other, frames) >= DECIDED for other in others)


def _parts(tracks: Sequence[Track], low: int, high: int) -> Iterator[Track]:
    """Yield what lies of the tracks between two source pictures."""
    for track in tracks:
        first, stop = max(low, track.first), min(high, track.stop)
        if first < stop and (part := track.between(first, stop)).tracked_T.any():
            yield part
