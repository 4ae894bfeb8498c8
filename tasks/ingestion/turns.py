"""Cutting of clips at the turns of a conversation: where another face on screen speaks from, a clip ends."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from heterodub.tasks.ingestion.clip_builder import Draft
from heterodub.tasks.quality.av_sync import LEAST_FRAMES
from heterodub.tasks.quality.speaking import SeenFace, speaking_evidence, turns

MelOf = Callable[[int, int], NDArray[np.float32] | None]
"""Log-mel (4T, 80) of T frames from a frame on; None where there is no sound."""


def cut_at_turns(drafts: Iterator[Draft], mel_of: MelOf, least_frames: int) -> Iterator[Draft]:
    """Yield the drafts, those with several faces cut where the speaker changes; no piece is shorter than
    `least_frames`, or than what can be held against the sound.
    """
    for draft in drafts:
        done = 0
        for cut in _cuts(draft, mel_of, max(least_frames, LEAST_FRAMES)):
            rest = draft.split(cut - done)
            yield draft
            draft, done = rest, cut
        yield draft


def _cuts(draft: Draft, mel_of: MelOf, least_frames: int) -> list[int]:
    """Frames of a draft at which the speaker changes; turns of faces among which this one is not part it, too."""
    others = draft.others()
    mel = mel_of(draft.start_frame, draft.frames) if others and draft.frames >= 2 * least_frames else None
    if mel is None:
        return []
    face = draft.face_track()
    seen = [SeenFace(face.points, face.usable), *(SeenFace(other.points, other.seen) for other in others)]
    found = turns(speaking_evidence(seen, mel), least_frames)
    own = [turn.face == 0 for turn in found]
    return [turn.first for turn, now, before in zip(found[1:], own[1:], own[:-1], strict=True) if now != before]
