"""Report of a generator's evaluation: means over speakers with intervals, and error reductions against controls."""

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
    """Reduction of a control's error by the generator with the clip's own sound, as a share of it."""

    control: System
    score: str
    interval: Interval


DECIDING: Final = "nme_lips"
"""The error that decides whether a generator is better than a control, as in the default promotion policy."""


@dataclass(frozen=True, slots=True)
class Scorecard(Means):
    """All scores of a generator."""

    reductions: tuple[Reduction, ...]

    @property
    def verdicts(self) -> tuple[ControlVerdict, ...]:
        """Verdicts against the reference kept still, and against the generator with another clip's sound."""
        controls: tuple[System, ...] = ("copy", "other sound")
        return tuple(
            control_verdict(row.control, row.score, row.interval, "error of the lips")
            for control in controls
            for row in self.reductions
            if (row.control, row.score) == (control, DECIDING)
        )


def scorecard(rows: Sequence[GeneratorClipScores]) -> Scorecard:
    """Aggregate the scores of clips.

    Raises: ValueError - there are none.
    """
    summary = means(rows, SYSTEMS, SCORES)
    of = {system: [row for row in rows if row.system == system] for system in SYSTEMS}
    reductions = [
        Reduction(control, score, reduction_interval(*paired(of["own sound"], of[control], score)))
        for control in CONTROLS
        for score in ERRORS
        if of[control] and of["own sound"]
    ]
    return Scorecard(summary.clips, summary.speakers, summary.means, tuple(reductions))
