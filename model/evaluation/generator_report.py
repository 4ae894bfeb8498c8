"""Scores of many clips put together: means over speakers with their intervals, and what is gained over each control."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from model.evaluation.generator import SYSTEMS, GeneratorClipScores, System
from model.metrics.bootstrap import Interval, reduction_interval
from model.metrics.speakers import Means, means, paired
from model.metrics.verdicts import ControlVerdict, control_verdict

SCORES: Final = (
    "nme_lips",
    "nme_outline",
    "nme",
    "mouth_opening_corr",
    "mouth_opening_std_ratio",
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


DECIDING: Final = "nme_lips"
"""The error by which a generator is called better than a control, as the default promotion policy has it."""


@dataclass(frozen=True, slots=True)
class Scorecard(Means):
    """All scores of a generator."""

    reductions: tuple[Reduction, ...]

    @property
    def verdicts(self) -> tuple[ControlVerdict, ...]:
        """Whether it is better than the reference kept still, and than itself with another clip's sound."""
        asked: tuple[System, ...] = ("copy", "other sound")
        return tuple(
            control_verdict(row.control, row.score, row.interval, "error of the lips")
            for control in asked
            for row in self.reductions
            if (row.control, row.score) == (control, DECIDING)
        )


def scorecard(sat: Sequence[GeneratorClipScores]) -> Scorecard:
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
