"""Speaker among several faces: evidence of each face and frame, the turns between them, and how clear a turn is.

All faces are held against the same sound at the same offset, since one recording has one. A face's evidence in a frame
is the fit of sound and lips there, less that at false offsets, over the spread that chance gives; over n frames of a
face that does not speak its sum has mean 0 and standard deviation sqrt(n).

Shape suffix legend: N = faces, T = frames, P = 216 points, S = 4 T mel columns, K = offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from heterodub.model.features.arrays import Array, Flags, Floats
from heterodub.tasks.quality.av_sync import (
    FALSE_FROM_FRAMES,
    LEAST_FRAMES,
    embed_lips,
    embed_sound,
    frame_fits,
    is_still,
    mean_fits,
)
from heterodub.tasks.quality.sound_shift import CORRECTABLE_FRAMES

DECIDED: Final = 2.5
"""Margin from which one face speaks and another does not (docs/policy.md)."""

_TURN_FRAMES: Final = 150
"""Length of a typical turn, six seconds: the prior of a change of speaker in a frame."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """One face as it is held against the sound. points_TPXY: (T, 216, 2). usable_T: its mouth is known."""

    points_TPXY: Floats
    usable_T: Flags

    @property
    def can_speak(self) -> bool:
        """True if it is seen for long enough, and its mouth moves at all."""
        return self.is_long and not is_still(self.points_TPXY, self.usable_T)

    @property
    def is_long(self) -> bool:
        """True if it is seen for long enough to be measured."""
        return int(self.usable_T.sum()) >= LEAST_FRAMES


@dataclass(frozen=True, slots=True)
class FaceComparison:
    """Comparison of a face with the others on screen.

    undecided_share: share of frames with another face that may be the one who speaks. margin: over the face that comes
    nearest to speaking in its place; None where no other was seen for long enough.
    """

    undecided_share: float
    margin: float | None


@dataclass(frozen=True, slots=True)
class SpeakingTurn:
    """Frames in which one of several faces speaks more probably than any other: [first, stop)."""

    face: int
    first: int
    stop: int


def speaking_evidence(faces: Sequence[SeenFace], mel_SM: Floats) -> Array:
    """Measure the evidence that each face speaks in each frame, (N, T); zeros of a face that cannot.

    mel_SM: (4T, 80) of the same frames.
    """
    evidence_NT = np.zeros((len(faces), len(mel_SM) // 4))
    able = [number for number, face in enumerate(faces) if face.can_speak]
    if not able or evidence_NT.shape[1] < LEAST_FRAMES:
        return evidence_NT
    sound_TE = embed_sound(mel_SM)
    measured = {
        number: frame_fits(sound_TE, embed_lips(faces[number].points_TPXY, faces[number].usable_T)) for number in able
    }
    offsets_K = measured[able[0]][0]
    near_K, false_K = np.abs(offsets_K) <= CORRECTABLE_FRAMES, np.abs(offsets_K) >= FALSE_FROM_FRAMES
    curves = {}
    for number, (_, fits_TK) in measured.items():
        curve_K = mean_fits(fits_TK, faces[number].usable_T)
        curves[number] = (curve_K - curve_K[false_K].mean(), max(float(curve_K[false_K].std()), 1e-9))
    stands_out_K = sum(np.maximum(curve_K / spread, 0) ** 2 for curve_K, spread in curves.values())
    best = int(np.argmax(np.where(near_K, stands_out_K, -1)))
    for number, (_, fits_TK) in measured.items():
        usable_T = faces[number].usable_T & ~np.isnan(fits_TK[:, best])
        chance = np.nanmean(fits_TK[:, false_K][faces[number].usable_T])
        frame_spread = curves[number][1] * np.sqrt(max(1, int(usable_T.sum())))
        evidence_NT[number, usable_T] = (fits_TK[usable_T, best] - chance) / frame_spread
    return evidence_NT


def turns(evidence_NT: Array, least_frames: int) -> list[SpeakingTurn]:
    """Divide the frames into turns of the faces, each of at least so many frames; one turn where there are no two.

    The most probable succession of speakers, where a frame's evidence counts as that of a normal distribution whose
    mean is what the clearest face has, and a change costs the prior.
    """
    frames = evidence_NT.shape[1]
    strength = max(0.0, float(evidence_NT.mean(axis=1).max()))
    gains_NT = strength * evidence_NT
    change = float(np.log(_TURN_FRAMES))
    best_N, came_from = gains_NT[:, 0].copy(), np.zeros(evidence_NT.shape, np.int64)
    for frame in range(1, frames):
        other = int(np.argmax(best_N))
        changed_N = best_N < best_N[other] - change
        came_from[:, frame] = np.where(changed_N, other, np.arange(len(best_N)))
        best_N = np.where(changed_N, best_N[other] - change, best_N) + gains_NT[:, frame]
    path = np.zeros(frames, np.int64)
    path[-1] = int(np.argmax(best_N))
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came_from[path[frame], frame]
    starts = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist()]
    found = [SpeakingTurn(int(path[a]), a, b) for a, b in zip(starts, [*starts[1:], frames], strict=True)]
    return _without_short(found, least_frames)


def _without_short(found: list[SpeakingTurn], least_frames: int) -> list[SpeakingTurn]:
    """Give turns that are too short to the longer of their neighbours, shortest first, and join what then meets."""
    while len(found) > 1 and min(turn.stop - turn.first for turn in found) < least_frames:
        place = min(range(len(found)), key=lambda number: found[number].stop - found[number].first)
        beside = [found[number] for number in (place - 1, place + 1) if 0 <= number < len(found)]
        into = max(beside, key=lambda turn: turn.stop - turn.first)
        short = found[place]
        found[place] = SpeakingTurn(into.face, short.first, short.stop)
        joined: list[SpeakingTurn] = []
        for turn in found:
            if joined and joined[-1].face == turn.face:
                joined[-1] = SpeakingTurn(turn.face, joined[-1].first, turn.stop)
            else:
                joined.append(turn)
        found = joined
    return found


def margin(evidence_NT: Array, face: int, other: int, frames: slice) -> float:
    """Return by how many standard deviations of chance one face's evidence is above another's over some frames."""
    count = max(1, len(range(*frames.indices(evidence_NT.shape[1]))))
    difference = evidence_NT[face, frames].sum() - evidence_NT[other, frames].sum()
    return float(difference / np.sqrt(2 * count))


def compare_faces(face: SeenFace, others: Sequence[SeenFace], mel_SM: Floats) -> FaceComparison:
    """Decide between a face and each other one that is seen in a clip; a mouth that stands still does not speak.

    usable_T of the others: the frames in which they are seen. mel_SM: (4T, 80).
    """
    undecided_T = np.zeros(len(face.usable_T), bool)
    if not others:
        return FaceComparison(0.0, None)
    evidence_NT = speaking_evidence([face, *others], mel_SM)
    margins = []
    for number, other in enumerate(others, 1):
        seen = np.flatnonzero(other.usable_T)
        clear = -np.inf
        if other.is_long:
            clear = margin(evidence_NT, 0, number, slice(int(seen[0]), int(seen[-1]) + 1))
            margins.append(clear)
        if clear < DECIDED:
            undecided_T |= other.usable_T
    return FaceComparison(float(undecided_T.mean()), min(margins, default=None))
