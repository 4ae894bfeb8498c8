"""Data ablation: the effect of additional footage that is good for one stage alone (Table 3 of the paper)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar

from model.metrics.bootstrap import Interval
from tasks.evaluation.folds import folds, halves
from tasks.training.clip_selection import ClipRef, Selection


class Evaluated(Protocol):
    """Scores of a model, or of those of several folds."""

    def summary(self) -> dict[str, Any]:
        """Return the scores, ready for JSON."""


Scores = TypeVar("Scores", bound=Evaluated)

Trial = Callable[[Selection, Sequence[ClipRef], str], Scores]
"""Trains on a selection and evaluates on other clips; the text names the part."""


@dataclass(frozen=True, slots=True)
class DataAblation(Generic[Scores]):
    """Half of the speakers against the same half and more footage for this stage alone, on the same unseen speakers.

    gains: reduction of each error by the added footage, as a share of the half's; paired by speaker.
    """

    half: Scores
    more: Scores
    half_clips: int
    added_clips: int
    added_speakers: int
    gains: dict[str, Interval]

    def summary(self) -> dict[str, Any]:
        """Return both evaluations and the gains, ready for JSON."""
        sizes = {name: getattr(self, name) for name in ("half_clips", "added_clips", "added_speakers")}
        gains = {score: asdict(interval) for score, interval in self.gains.items()}
        return sizes | {"gains": gains, "half": self.half.summary(), "more": self.more.summary()}


def ablate_data(
    selection: Selection,
    count: int,
    trial: Trial[Scores],
    merge: Callable[[Sequence[Scores], str], Scores],
    gains: Callable[[Scores, Scores], dict[str, Interval]],
) -> DataAblation[Scores]:
    """Train twice a fold: on half of its training speakers, and with the other half's clips for this stage alone added.

    merge: merges the scores of all folds under a name. gains: of the second over the first.

    Raises: as folds, halves and the trial.
    """
    half_parts: list[Scores] = []
    more_parts: list[Scores] = []
    added: list[ClipRef] = []
    sizes = 0
    for number, (fold, test_clips) in enumerate(folds(selection, count), 1):
        half, more = halves(fold)
        for part, parts, name in ((half, half_parts, "half"), (more, more_parts, "half and more")):
            parts.append(trial(part, test_clips, f"{name}, fold {number} of {count}"))
        sizes += len(half.train)
        added += more.train[len(half.train) :]
    first = merge(half_parts, f"half of the speakers, {count} folds")
    second = merge(more_parts, f"half of the speakers and more footage for this stage alone, {count} folds")
    speakers = len({clip.facts.speaker for clip in added})
    return DataAblation(first, second, sizes, len(added), speakers, gains(first, second))
