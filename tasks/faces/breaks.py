"""Breaks at which a track must be cut although a face was followed on: the same for clips and for dubbing."""

from collections.abc import Sequence

from tasks.faces.patches import FacePatches
from tasks.faces.person_change import person_changes
from tasks.media.transitions import Transition

Frames = tuple[int, int]
"""First frame, and the one after the last, counted from the start of a track."""


def breaks(patches: FacePatches, start: int, frames: int, transitions: Sequence[Transition]) -> list[Frames]:
    """List the frames of a track that show two shots or two people, or the change between them; by time.

    start: number of the track's first frame within the film, in which transitions count. frames: length of the track.
    """
    soft = sorted(
        (max(transition.first - start, 0), min(transition.stop - start, frames))
        for transition in transitions
        if transition.first < start + frames and transition.stop > start
    )
    broken = list(soft)
    for begun, end in between(soft, frames):  # a mixed picture looks like both people
        broken += [(begun + first, begun + stop) for first, stop in person_changes(patches.between(begun, end))]
    return sorted(broken)


def between(broken: Sequence[Frames], frames: int) -> list[Frames]:
    """List what is left of a track of that length: each part shows one person in one shot."""
    left, at = [], 0
    for first, stop in [*broken, (frames, frames)]:
        if first > at:
            left.append((at, first))
        at = max(at, stop)
    return left
