"""Scores of many clips put together: means over speakers with their intervals, and what is gained over each control."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from model.metrics.bootstrap import Interval, reduction_interval
from model.metrics.speakers import Means, means, paired
from model.stage1.judging import SYSTEMS, Sat, System

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
class Reduction:
    """By how much the generator with the clip's own sound lowers an error of a control, as a share of it."""

    control: System
    score: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Scorecard(Means):
    """All scores of a generator."""

    reductions: tuple[Reduction, ...]


def scorecard(sat: Sequence[Sat]) -> Scorecard:
    """Put the scores of clips together.

    Raises: ValueError - there is none.
    """
    found = means(sat, SYSTEMS, SCORES)
    of = {system: [row for row in sat if row.system == system] for system in SYSTEMS}
    reductions = [
        Reduction(control, score, reduction_interval(*paired(of["own sound"], of[control], score)))
        for control in CONTROLS
        for score in ERRORS
        if of[control] and of["own sound"]
    ]
    return Scorecard(found.clips, found.speakers, found.means, tuple(reductions))
