"""Reproduced tables of the paper: rows, scores, the paper's figures, and tests of its claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from model.evaluation.aggregate import SpeakerScores, difference
from model.metrics.bootstrap import Interval

Verdict = Literal["holds", "does not hold", "no difference", "inconclusive", "not measured"]


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """A score. better: its direction. published: the paper's name of the nearest score. scale: factor for display.
    least: a smaller gain counts as no difference, however certain: with one training per row, the difference between
    two trainings by chance is unknown, and few speakers can make invisible differences significant.
    """

    score: str
    heading: str
    better: Literal["less", "more", "near one"]
    published: str | None = None
    scale: float = 1.0
    digits: int = 3
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class TableRow:
    """A system, or a cell of an ablation. missing: the reason why `scores` is empty."""

    name: str
    scores: Mapping[str, SpeakerScores]
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Claim of the paper: by this score the row `better` is better than the row `worse`."""

    text: str
    better: str
    worse: str
    score: str


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """Result of testing a claim. gain: difference in the claimed direction, above 0 if as claimed; 95 %."""

    claim: Claim
    verdict: Verdict
    gain: Interval | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table. published: the paper's scores by data set and row. notes: on the measurement, a sentence or two each."""

    name: str
    title: str
    columns: tuple[ScoreColumn, ...]
    rows: tuple[TableRow, ...]
    published: Mapping[str, Mapping[str, Mapping[str, float]]]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]

    def row(self, name: str) -> TableRow:
        """Return the row of that name.

        Raises: KeyError - there is none.
        """
        return {row.name: row for row in self.rows}[name]

    def findings(self) -> list[ClaimResult]:
        """Test every claim. An interval that contains 0 is inconclusive, unless all of it counts as no difference."""
        return [self._finding(claim) for claim in self.claims]

    def _finding(self, claim: Claim) -> ClaimResult:
        better, worse = (self.row(name).scores.get(claim.score) for name in (claim.better, claim.worse))
        if better is None or worse is None:
            return ClaimResult(claim, "not measured", None)
        column = {column.score: column for column in self.columns}[claim.score]
        pair = (worse, better) if column.better == "less" else (better, worse)
        gain = difference(*pair)
        return ClaimResult(claim, _verdict(gain, column.least), gain)


def _verdict(gain: Interval, least: float) -> Verdict:
    if gain.mean is None or gain.low is None or gain.high is None:
        return "inconclusive"
    if gain.low > 0 and gain.mean >= least:
        return "holds"
    if gain.high < 0 and gain.mean <= -least:
        return "does not hold"
    return "no difference" if max(abs(gain.low), abs(gain.high)) < least else "inconclusive"


WHY_OTHER_NUMBERS: Final = (
    "Absolute numbers are not to be compared with the paper's: other footage, fewer speakers, a small network trained "
    "for minutes, crops of another size, no fine-tuning, other landmarks, and feature networks that stand in for "
    "Inception (FID) and LPIPS. What can be compared is which row is better, and by how much against its interval."
)
"""The line that every table carries."""
