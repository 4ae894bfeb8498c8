"""Detection of recordings that agree over time: by the movement of the face, by the sound.

Movement and sound are of the moment, so two takes of one sentence by one talker are as far apart as
strangers are.

Legend: N clips, C candidate pairs, T frames, F signals of the movement.
"""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from heterodub.model.features.arrays import Flags

from .hash_search import AnyInts, Ints, ShortWords
from .streams import Streams, is_informative, shifted

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

_SOUND_KEY_BITS: Final = 26
_MOTION_KEY_BITS: Final = 28
"""Bits of a key. They must not depend on the number of clips, else what is found would depend on when it was looked
for. Words of movement are less even than those of sound: three times as many pairs share one by chance."""
_MOTION_BESIDE: Final = range(40, 81, 8)
"""Frames between words of movement, which reach over 36, so that one does not foretell the other."""
_SOUND_BESIDE: Final = range(1, 9)
_CHUNK: Final = 1 << 12
"""Pairs whose overlaps are compared at a time."""

Track = npt.NDArray[np.int8]
Column: TypeAlias = "pa.Array | pa.ChunkedArray"
Reals = npt.NDArray[np.floating[Any]]


class Movement:
    """The movement of every clip's face, from a column face_motion."""

    def __init__(self, column: Column) -> None:
        data, sizes = _joined(column, SIGNALS)
        self._track_TF, lengths = data.view(np.int8).reshape(-1, SIGNALS), sizes // SIGNALS
        self.streams = Streams(motion_words(self._track_TF, lengths), lengths, _MOTION_KEY_BITS, _MOTION_BESIDE)

    def rows(self, at_CT: Ints, inside_CT: Flags) -> Reals:
        """Signals at these places, (C, T, F); 0 where they do not count."""
        if not len(self._track_TF):
            return np.zeros((*at_CT.shape, SIGNALS), np.float32)
        frames_T = self._track_TF.view(np.int32).reshape(-1)  # all signals of a frame are taken at once
        rows_CTF = frames_T.take(at_CT).view(np.int8).reshape(*at_CT.shape, SIGNALS)
        return np.asarray(rows_CTF * inside_CT[..., None].astype(np.float32), np.float32)


def correlation(
    first: Movement, second: Movement, left: AnyInts, right: AnyInts, shift: Ints
) -> tuple[Reals, Ints, Flags]:
    """Correlate the face movements of pairs of clips when so shifted, from -1 to 1; also the number of frames, and
    whether both move at all: else the first carries no information.
    """
    at_left, at_right, inside_CT = shifted(first.streams, second.streams, left, right, shift)
    frames = inside_CT.sum(axis=1)
    left_CTF, right_CTF = first.rows(at_left, inside_CT), second.rows(at_right, inside_CT)
    common_CF = np.einsum("ctf,ctf->cf", left_CTF, right_CTF)
    common = common_CF.sum(axis=1) - common_CF[:, _SIDEWAYS] + np.abs(common_CF[:, _SIDEWAYS])
    one, two = ((rows**2).sum(axis=(1, 2)) for rows in (left_CTF, right_CTF))
    moves = np.minimum(one, two) >= np.maximum(MIN_MOTION**2 * frames, 1)
    return common / np.sqrt(np.maximum(one * two, 1)), frames, moves


def same_motion(first: Movement, second: Movement, left: AnyInts, right: AnyInts, shift: Ints) -> Flags:
    """Return True for pairs whose faces, so shifted, move alike for two seconds or more, mirrored or not. What hardly
    moves matches nothing.
    """
    same = np.zeros(len(left), bool)
    for start in range(0, len(left), _CHUNK):
        some = slice(start, start + _CHUNK)
        likeness, frames, moves = correlation(first, second, left[some], right[some], shift[some])
        same[some] = moves & (frames >= MIN_MOTION_FRAMES) & (likeness >= MIN_CORRELATION)
    return same


def is_contradicted(first: Movement, second: Movement, left: AnyInts, right: AnyInts, shift: Ints) -> Flags:
    """Return True for pairs that move against each other where they sound alike: one of the sounds was added."""
    likeness, frames, moves = correlation(first, second, left, right, shift)
    return np.asarray(moves & (frames >= MIN_SOUND_FRAMES) & (likeness < CONTRADICTION))


def sound_streams(column: Column) -> Streams:
    """Words of the sound of every clip, from a column sound_hash."""
    data, sizes = _joined(column, 4)
    return Streams(data.view(">u4").astype(np.uint32), sizes // 4, _SOUND_KEY_BITS, _SOUND_BESIDE)


def same_sound(first: Streams, second: Streams, left: AnyInts, right: AnyInts, shift: Ints) -> Flags:
    """Return True for pairs that, so shifted, sound the same for one second or more: fewer than 30 % of the bits of
    their fingerprints differ. Silence matches nothing.
    """
    same = np.zeros(len(left), bool)
    for start in range(0, len(left), _CHUNK):
        some = slice(start, start + _CHUNK)
        at_left, at_right, inside_CT = shifted(first, second, left[some], right[some], shift[some])
        left_CT, right_CT = first.words[at_left], second.words[at_right]
        both_CT = inside_CT & is_informative(left_CT) & is_informative(right_CT)
        wrong = np.where(both_CT, np.bitwise_count(left_CT ^ right_CT), 0).sum(axis=1, dtype=np.int64)
        words = both_CT.sum(axis=1)
        same[some] = (words >= MIN_SOUND_FRAMES) & (wrong < MAX_ERROR_RATE * 32 * words)
    return same


def motion_words(track_TF: Track, lengths: Ints) -> ShortWords:
    """Encode a word a frame: the signs of the signals from there on; 0 where the clip ends too early. The sideways one
    is relative to its first sign of either half, so that a mirrored face has the same words. lengths: frames of clips.
    """
    words = np.zeros(len(track_TF), np.uint32)
    reach = (_STEPS - 1) * _STEP_FRAMES
    if len(words) <= reach:
        return words
    signs = _signs(track_TF)
    two = signs[:-_STEP_FRAMES] << SIGNALS | signs[_STEP_FRAMES:]
    four = two[: -2 * _STEP_FRAMES].astype(np.uint16) << 2 * SIGNALS | two[2 * _STEP_FRAMES :]
    sideways = signs[: len(four)] & (1 << SIGNALS - 1 - _SIDEWAYS)
    four ^= sideways * np.uint16(0x1111)  # into each of the four places
    words[:-reach] = four[: -4 * _STEP_FRAMES].astype(np.uint32) << 4 * SIGNALS | four[4 * _STEP_FRAMES :]
    ends = np.cumsum(lengths)
    last_NT = (ends - 1)[:, None] - np.arange(reach)
    words[last_NT[last_NT >= (ends - lengths)[:, None]]] = 0
    return words


def _signs(track_TF: Track) -> npt.NDArray[np.uint8]:
    """Return a bit for each signal that is above 0, the first one highest, (T,)."""
    packed = np.packbits(track_TF > 0)  # of two frames in each byte
    return np.column_stack([packed >> SIGNALS, packed & (1 << SIGNALS) - 1]).reshape(-1)[: len(track_TF)]


def _joined(column: Column, unit: int) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Return the bytes of all values in one row, and how many are of each; what is left over by whole units goes."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not len(values):
        return np.empty(0, np.uint8), np.empty(0, np.int64)
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    sizes = np.diff(offsets).astype(np.int64)
    if not (sizes % unit).any():
        return np.frombuffer(values.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]], sizes
    sizes = sizes // unit * unit
    pieces = [value[:size] for value, size in zip(values.to_pylist(), sizes, strict=True)]
    return np.frombuffer(b"".join(pieces), np.uint8), sizes
