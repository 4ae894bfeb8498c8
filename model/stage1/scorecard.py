"""Scores of many clips put together: means over speakers with their intervals, and what is gained over each control."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from model.metrics.bootstrap import Interval, mean_interval, reduction_interval
from model.stage1.judging import SYSTEMS, Sat, System, by_speaker

SCORES: Final = (
    "nme_lips",
    "nme_outline",
    "nme",
    "opening_correlation",
    "articulation",
    "velocity_error",
    "jitter",
    "sync",
)
ERRORS: Final = ("nme_lips", "nme_outline", "nme")
"""Scores that are errors, of which a reduction makes sense."""

CONTROLS: Final[tuple[System, ...]] = ("copy", "other sound", "no sound", "mean face")
"""Systems that a generator must beat."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A score of one system."""

    system: System
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Reduction:
    """By how much the generator with the clip's own sound lowers an error of a control, as a share of it."""

    control: System
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All scores of a generator. Intervals (95 %) draw speakers: each counts once, with the mean of its clips."""

    clips: int
    speakers: int
    means: tuple[Mean, ...]
    reductions: tuple[Reduction, ...]

    def mean(self, system: System, score: str) -> Interval:
        """A score of a system.

        Raises: KeyError - it was not judged.
        """
        for mean in self.means:
            if (mean.system, mean.score) == (system, score):
                return mean.interval
        raise KeyError(f"{system}: {score}")


def scorecard(sat: Sequence[Sat]) -> Scorecard:
    """Put the scores of clips together.

    Raises: ValueError - there is none.
    """
    if not sat:
        raise ValueError("no clip was judged")
    of = {system: [row for row in sat if row.system == system] for system in SYSTEMS}
    means = [
        Mean(system, score, mean_interval(list(by_speaker(rows, score).values())))
        for system, rows in of.items()
        for score in SCORES
        if rows
    ]
    reductions = [
        Reduction(control, score, _reduction(of["own sound"], of[control], score))
        for control in CONTROLS
        for score in ERRORS
        if of[control] and of["own sound"]
    ]
    clips, speakers = {row.clip_id for row in sat}, {row.speaker for row in sat}
    return Scorecard(len(clips), len(speakers), tuple(means), tuple(reductions))


def _reduction(own: Sequence[Sat], control: Sequence[Sat], score: str) -> Interval:
    ours, theirs = by_speaker(own, score), by_speaker(control, score)
    both = sorted(ours.keys() & theirs.keys())
    return reduction_interval([ours[speaker] for speaker in both], [theirs[speaker] for speaker in both])
