"""Detection of recordings that agree over time: by the movement of the face, by the sound.

Movement and sound are of the moment, so two takes of one sentence by one talker are as far apart as
strangers are.

Legend: N clips, C candidate pairs, T frames, F signals of the movement.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from heterodub.model.features.arrays import Flags

from .hash_search import Ints, PairSet, ShortWords, Streams, is_informative

MAX_ERROR_RATE: Final = 0.30
"""Share of differing fingerprint bits below which two sounds are the same."""
MIN_SOUND_FRAMES: Final = 25
"""Informative words of a sound fingerprint that both must have: one second."""

MIN_CORRELATION: Final = 0.76
"""Of the movement of two faces over all signals and the frames that both have. Measured on 338 clips of 196 recordings
and 91 clips made of ten of these: takes of other sentences, at the best of 250 shifts, reach 0.65 once in a thousand
pairs and 0.74 at most; remuxed, encoded anew, cropped, mirrored, muted or half as fast ones 0.75 to 1."""
MIN_MOTION_FRAMES: Final = 50
"""Frames that both must have, two seconds: over shorter ones strangers agree by chance."""
CONTRADICTION: Final = 0.35
"""Correlation of the movement at the very shift of the sound, below which the two contradict each other: of
strangers it is near 0; spoiled pictures of one recording, all but the worst, keep more."""
MIN_MOTION: Final = 10.0
"""Length of the movement, root mean square over these frames, below which a face is still; in the steps of
tasks/quality/fingerprints.py, of which an ordinary face makes some 50."""

SIGNALS: Final = 4
_SIDEWAYS: Final = 2
"""The one of the signals that changes its sign in a mirror."""
_STEPS: Final = 8
_STEP_FRAMES: Final = 5
"""A key of movement is the signs of all signals at eight moments, so far apart that one does not foretell the next."""

_CHUNK: Final = 1 << 13

Track = npt.NDArray[np.int8]
Reals = npt.NDArray[np.floating[Any]]


class Movement:
    """The movement of every clip's face, from rows with a column face_motion."""

    def __init__(self, rows: pa.Table) -> None:
        tracks = [_track(value) for value in rows["face_motion"].to_pylist()]
        self.streams = Streams(motion_words(track) for track in tracks)
        # the last row stands for clips without movement, whose places would lie behind the end
        self._track_TF = np.concatenate([*tracks, np.zeros((1, SIGNALS), np.int8)]).astype(np.float32)
        self._energy = np.concatenate([[0.0], np.cumsum((self._track_TF**2).sum(axis=1), dtype=np.float64)])

    def correlation(self, left: Ints, right: Ints, shift: Ints) -> tuple[Reals, Ints, Flags]:
        """Correlate the face movements of pairs of clips when so shifted, from -1 to 1; also the number of frames, and
        whether both move at all: else the first carries no information.
        """
        at_left, at_right, inside_CT = self.streams.overlaps(left, right, shift)
        frames = inside_CT.sum(axis=1)
        left_CTF, right_CTF = self._track_TF[at_left], self._track_TF[at_right]
        common_CF = np.einsum("ctf,ctf,ct->cf", left_CTF, right_CTF, inside_CT.astype(np.float32))
        common = common_CF.sum(axis=1) - common_CF[:, _SIDEWAYS] + np.abs(common_CF[:, _SIDEWAYS])
        first, second = (self._energy[at[:, 0] + frames] - self._energy[at[:, 0]] for at in (at_left, at_right))
        moves = np.minimum(first, second) >= np.maximum(MIN_MOTION**2 * frames, 1)
        return common / np.sqrt(np.maximum(first * second, 1)), frames, moves


def sound_pairs(rows: pa.Table, media: Ints, movement: Movement) -> tuple[Ints, Ints]:
    """Find pairs (C, 2) of clips of different media that sound the same for one second or more: fewer than 30 % of
    the bits of their fingerprints differ, shifted by up to MAX_SHIFT. Silence matches nothing. rows: sound_hash.

    The second result has those whose movement does not contradict it: else one of them has a sound that was added.
    """
    streams = Streams(
        np.frombuffer(value[: len(value) // 4 * 4], ">u4").astype(np.uint32) for value in rows["sound_hash"].to_pylist()
    )
    alike, agreeing = PairSet(len(rows)), PairSet(len(rows))
    for left, right, shift in _pieces(streams.pairs(media)):
        near = _same_sound(streams, left, right, shift)
        left, right, shift = left[near], right[near], shift[near]
        alike.add(left, right)
        if len(left):
            likeness, frames, moves = movement.correlation(left, right, shift)
            agrees = ~moves | (frames < MIN_SOUND_FRAMES) | (likeness >= CONTRADICTION)
            agreeing.add(left[agrees], right[agrees])
    alike.merge()
    agreeing.merge()
    return alike.pairs(), agreeing.pairs()


def motion_pairs(movement: Movement, clips: int, media: Ints) -> Ints:
    """Find pairs (C, 2) of clips of different media whose faces move alike for two seconds or more, mirrored or not,
    shifted by up to MAX_SHIFT. What hardly moves matches nothing.
    """
    pairs = PairSet(clips)
    for left, right, shift in _pieces(movement.streams.pairs(media)):
        likeness, frames, moves = movement.correlation(left, right, shift)
        near = moves & (frames >= MIN_MOTION_FRAMES) & (likeness >= MIN_CORRELATION)
        pairs.add(left[near], right[near])
    pairs.merge()
    return pairs.pairs()


def _pieces(candidates: Iterable[Ints]) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield candidates (C, 3), so few at a time that what is compared fits into memory."""
    for candidates_C3 in candidates:
        for start in range(0, len(candidates_C3), _CHUNK):
            left, right, shift = candidates_C3[start : start + _CHUNK].T
            yield left, right, shift


def motion_words(track_TF: Track) -> ShortWords:
    """Encode a word a frame: the signs of the signals from there on. The sideways one is relative to its first sign of
    either half, so that a mirrored face has the same words.
    """
    frames = len(track_TF)
    words = np.zeros(frames, np.uint32)
    count = frames - (_STEPS - 1) * _STEP_FRAMES
    if count <= 0:
        return words
    signs_T8F = np.stack([track_TF[step * _STEP_FRAMES :][:count] > 0 for step in range(_STEPS)], axis=1)
    for half in (slice(0, _STEPS // 2), slice(_STEPS // 2, _STEPS)):
        signs_T8F[:, half, _SIDEWAYS] ^= signs_T8F[:, half.start : half.start + 1, _SIDEWAYS]
    bits = np.packbits(signs_T8F.reshape(count, -1), axis=1)
    words[:count] = bits.copy().view(">u4")[:, 0]
    return words


def _track(value: bytes) -> Track:
    return np.frombuffer(value[: len(value) // SIGNALS * SIGNALS], np.int8).reshape(-1, SIGNALS)


def _same_sound(streams: Streams, left: Ints, right: Ints, shift: Ints) -> Flags:
    at_left, at_right, inside_CT = streams.overlaps(left, right, shift)
    left_CT, right_CT = streams.words[at_left], streams.words[at_right]
    both_CT = inside_CT & is_informative(left_CT) & is_informative(right_CT)
    wrong = np.where(both_CT, np.bitwise_count(left_CT ^ right_CT), 0).sum(axis=1, dtype=np.int64)
    words = both_CT.sum(axis=1)
    return np.asarray((words >= MIN_SOUND_FRAMES) & (wrong < MAX_ERROR_RATE * 32 * words))
