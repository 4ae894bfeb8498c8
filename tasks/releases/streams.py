"""Words of clips, one a frame, and the keys by which clips with equal words are found.

Legend: N clips, C candidate pairs, T words of a clip.
"""

from typing import Final

import numpy as np

from heterodub.model.features.arrays import Flags

from .hash_search import AnyInts, Ints, KeyIndex, Keys, ShortWords

MAX_SHIFT: Final = 125
"""Frames by which two copies may be shifted: half of the longest clip. Of a recording that was trimmed and cut into
clips anew, one clip in two neighbours is no further from its other."""
ROTATIONS: Final = (0, 16)
"""Bits by which a word is turned before the last ones are cut off: errors in either half leave a key."""
MAX_ERROR_BESIDE: Final = 0.38
"""Share of differing bits in the words beside a shared key from which it was shared by chance: of strangers it is 0.5,
with a deviation of 0.02 to 0.04."""


class Streams:
    """Words of all clips in one row, one a frame: 0 and all ones carry no information, and are no keys."""

    def __init__(self, words: ShortWords, lengths: Ints, key_bits: int, beside: range) -> None:
        """key_bits: bits of a key; fewer survive more noise, and each bit fewer doubles the pairs that share one by
        chance. beside: distances to the words, to either side, that tell whether a key was shared by chance.
        """
        self.words, self.lengths, self.key_bits, self.beside = words, lengths, key_bits, beside
        self.starts = np.cumsum(lengths) - lengths
        self.owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)

    def keys(self, rotation: int, shared_with: KeyIndex | None = None) -> Keys:
        """Return the keys of all informative words, or of those that an index is likely to have; the place of each is
        that in all words.
        """
        turned = self.words
        if rotation:
            turned = (turned << np.uint32(rotation)) | (turned >> np.uint32(32 - rotation))
        key = turned >> np.uint32(32 - self.key_bits)
        place = np.arange(len(key)) if shared_with is None else shared_with.likely(key)
        place = place[is_informative(self.words[place])]
        return Keys(key[place], self.owners[place], place.astype(np.int32))

    def overlaps(self, clip: AnyInts, skip: Ints, frames: Ints) -> tuple[Ints, Flags]:
        """Places of the words of each clip from `skip` on, so many frames, (C, T), and which of them count."""
        step_T = np.arange(max(int(frames.max(initial=0)), 1))
        at_CT = np.minimum((self.starts[clip] + skip)[:, None] + step_T, max(len(self.words) - 1, 0))
        return at_CT, step_T < frames[:, None]


def is_informative(words: ShortWords) -> Flags:
    """Mark the words that carry information."""
    return np.asarray((words != 0) & (words != np.uint32(0xFFFFFFFF)))


def shared(first: Streams, second: Streams, left: Keys, right: Keys, frames: int) -> tuple[AnyInts, AnyInts, Ints]:
    """Return clips and the frames by which the first is ahead, each once, of pairs of equal keys that are not equal by
    chance and whose clips, so shifted, have so many frames in common.
    """
    shift = (left.place - first.starts[left.clip]) - (right.place - second.starts[right.clip])
    near = np.abs(shift) <= MAX_SHIFT
    near &= overlap(first, second, left.clip, right.clip, shift) >= frames
    left, right, shift = left.at(near), right.at(near), shift[near]
    agrees = agrees_beside(first, left.place, second, right.place)
    one, two, shift = left.clip[agrees], right.clip[agrees], shift[agrees]
    code = (one.astype(np.int64) * len(second.lengths) + two) * (2 * MAX_SHIFT + 1) + shift + MAX_SHIFT
    once = np.unique(code, return_index=True)[1]
    return one[once], two[once], shift[once]


def agrees_beside(first: Streams, at_first: AnyInts, second: Streams, at_second: AnyInts) -> Flags:
    """Return False for pairs of places of equal keys where the words beside differ too much, not where none are."""
    owners = first.owners[at_first], second.owners[at_second]
    before = np.minimum(at_first - first.starts[owners[0]], at_second - second.starts[owners[1]])
    ends = [s.starts[o] + s.lengths[o] for s, o in zip((first, second), owners, strict=True)]
    behind = np.minimum(ends[0] - at_first, ends[1] - at_second)
    wrong, words = np.zeros(len(at_first), np.int64), np.zeros(len(at_first), np.int64)
    for step in (sign * distance for distance in first.beside for sign in (-1, 1)):
        inside = (step >= -before) & (step < behind)
        one, two = (
            s.words[np.clip(at + step, 0, max(len(s.words) - 1, 0))]
            for s, at in ((first, at_first), (second, at_second))
        )
        counts = inside & is_informative(one) & is_informative(two)
        wrong += np.where(counts, np.bitwise_count(one ^ two), 0)
        words += counts
    return np.asarray((words < 2) | (wrong <= MAX_ERROR_BESIDE * 32 * words))


def overlap(first: Streams, second: Streams, left: AnyInts, right: AnyInts, shift: Ints) -> Ints:
    """Words that the clips of each pair have in common when so shifted."""
    skip_left, skip_right = np.maximum(shift, 0), np.maximum(-shift, 0)
    return np.minimum(first.lengths[left] - skip_left, second.lengths[right] - skip_right)


def shifted(first: Streams, second: Streams, left: AnyInts, right: AnyInts, shift: Ints) -> tuple[Ints, Ints, Flags]:
    """Overlap of each pair when so shifted: places of the words of both, (C, T), and which of them count."""
    skip_left, skip_right = np.maximum(shift, 0), np.maximum(-shift, 0)
    frames = overlap(first, second, left, right, shift)
    left_CT, inside_CT = first.overlaps(left, skip_left, frames)
    return left_CT, second.overlaps(right, skip_right, frames)[0], inside_CT
