"""Choice among several sounds of a file: the one flagged for everyone, unless another belongs to the mouths."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

PAIRS: Final = 1.75
"""Mean pairing score from which a sound belongs to the mouths: the default policy's limit for a clip."""

PAIRS_CLEARLY: Final = 4.0
"""Score at which the offset of a pair is trusted, too (av_sync.correction_frames)."""

_CLEARLY_MORE: Final = 1.5
"""Score by which an unflagged sound must fit better than the one before it: the same voice in two tracks, stereo and
surround, differs by less."""


@dataclass(slots=True)
class SoundEvidence:
    """Measurements of one sound on clips: pairing scores where they could be measured, and whether it is silent."""

    scores: list[float] = field(default_factory=list)
    is_heard: bool = False

    def add(self, score: float | None, is_heard: bool) -> None:
        """Add the measurement of one clip."""
        self.is_heard |= is_heard
        if score is not None:
            self.scores.append(score)

    @property
    def score(self) -> float | None:
        """Mean score, or None where no clip could be measured."""
        return sum(self.scores) / len(self.scores) if self.scores else None


def choose_sound(evidence: Sequence[SoundEvidence], default_alone: bool) -> int:
    """Return the place of the sound to use, of several in the order of preference.

    The first is taken if it fits the mouths, or if none does. `default_alone`: it alone is flagged as the default; then
    another must fit clearly to replace it. A sound that is not silent replaces one that is.
    """
    first = next((place for place, one in enumerate(evidence) if one.is_heard), 0)
    scores = [one.score if one.score is not None else 0.0 for one in evidence]
    best = max(range(len(evidence)), key=lambda place: (scores[place], -place))
    flagged = default_alone and first == 0
    if scores[best] < (PAIRS_CLEARLY if flagged else PAIRS) or (flagged and scores[first] >= PAIRS):
        return first
    return best if scores[best] >= scores[first] + _CLEARLY_MORE else first


def is_clear(evidence: Sequence[SoundEvidence]) -> bool:
    """Return True if no further clip is needed: exactly one sound fits clearly, and the others do not fit."""
    scores = [one.score if one.score is not None else 0.0 for one in evidence]
    return sum(score >= PAIRS_CLEARLY for score in scores) == 1 and sum(score >= PAIRS for score in scores) == 1
