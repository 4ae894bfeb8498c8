"""Checks that a challenger is worse in no stratum of the clips, such as the small faces or one language.

A stratum refuses where the whole interval of the challenger's gain lies beyond the tolerance. As many strata are looked
at as the clips have, so their intervals are widened to hold all together (Bonferroni): else an equal challenger would
be refused for one stratum's luck. A stratum of fewer speakers than the policy requires of a benchmark is not judged.
They are jackknife intervals, for a bootstrap of few speakers does not reach so far. How often all this errs, and what
it finds: docs/promotion.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from heterodub.model.evaluation.intervals import Interval, Scores, jackknifed_reduction, mean_interval
from heterodub.schemas.display import counted
from heterodub.schemas.promotion import ModelRule
from heterodub.schemas.strata import ClipStrata, clips_by_stratum

from .candidates import ModelScores
from .checks import MOST_LOST, PolicyCheck, lost_clips


@dataclass(frozen=True, slots=True)
class StratumComparison:
    """Primary score of both models on one stratum.

    means: of challenger and champion. gain: share by which the challenger's error lies below the champion's; the
    intervals of all judged strata hold together. not_judged: why the stratum decides nothing; empty where it does.
    lost: clips on which only the champion has a score.
    """

    factor: str
    stratum: str
    clips: int
    speakers: int
    means: tuple[Interval, ...]
    gain: Interval | None
    lost: int
    not_judged: str

    def holds(self, tolerance: float) -> bool:
        """Return False if the challenger is surely worse by more than the tolerance, or lacks scores."""
        if self.not_judged or self.gain is None:
            return True
        return self.lost <= MOST_LOST * self.clips and (self.gain.high is None or self.gain.high >= -tolerance)


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Clips of a stratum with their speakers, and each candidate's primary scores of them, the challenger's first."""

    factor: str
    name: str
    speakers: Sequence[str]
    columns: Sequence[Scores]

    def why_not_judged(self, rule: ModelRule, all_clips: int) -> str:
        if len(self.columns) < 2:
            return "there is no champion"
        if self.factor not in rule.strata:
            return "the policy does not ask for it"
        if len(self.speakers) == all_clips:
            return f"all clips are {self.name}"
        scored = {name for name, *pair in zip(self.speakers, *self.columns, strict=True) if None not in pair}
        return f"fewer than {rule.least_speakers} speakers" if len(scored) < rule.least_speakers else ""

    def compared(self, level: float, not_judged: str) -> StratumComparison:
        means = tuple(mean_interval(column, self.speakers) for column in self.columns)
        has_champion = len(self.columns) > 1
        return StratumComparison(
            self.factor,
            self.name,
            len(self.speakers),
            len(set(self.speakers)),
            means,
            jackknifed_reduction(self.columns[0], self.columns[1], self.speakers, level) if has_champion else None,
            lost_clips(self.columns[0], self.columns[1]) if has_champion else 0,
            not_judged,
        )


def compare_strata(
    challenger: ModelScores, champion: ModelScores | None, strata: ClipStrata, rule: ModelRule, level: float
) -> tuple[StratumComparison, ...]:
    """Compare the primary scores on every stratum of the clips. level: of the intervals of all judged strata together.

    A clip without strata belongs to none.
    """
    candidates = [candidate for candidate in (challenger, champion) if candidate is not None]
    scored = {clip: strata[clip] for clip in challenger.speakers if clip in strata}
    parts = [
        _Stratum(
            factor,
            name,
            [challenger.speakers[clip] for clip in clips],
            [candidate.column(candidate.main_system, rule.primary, clips) for candidate in candidates],
        )
        for factor, name, clips in clips_by_stratum(scored)
    ]
    reasons = [part.why_not_judged(rule, len(scored)) for part in parts]
    of_each = 1 - (1 - level) / max(reasons.count(""), 1)
    return tuple(part.compared(of_each, reason) for part, reason in zip(parts, reasons, strict=True))


def stratum_checks(compared: Sequence[StratumComparison], rule: ModelRule) -> Iterator[PolicyCheck]:
    """Yield a check for each factor that the policy names: its figure is that of the stratum next to refusal."""
    for factor, most in rule.strata.items():
        words = factor.replace("_", " ")
        what = (
            f"{rule.primary} in no stratum by {words} surely more than {most:g} above the champion's, as a share of it"
        )
        strata = [part for part in compared if part.factor == factor]
        judged = [part for part in strata if not part.not_judged and part.gain is not None]
        if not judged:
            causes = ", ".join(dict.fromkeys(part.not_judged for part in strata)) or "no clip has a stratum"
            yield PolicyCheck(f"by {words}", what, True, None, -most, f"not judged: {causes}")
            continue
        worst = min(judged, key=lambda part: (part.holds(most), _high(part)))
        detail = f"in {worst.stratum} ({counted(worst.clips, 'clip')} of {counted(worst.speakers, 'speaker')})"
        if worst.lost > MOST_LOST * worst.clips:
            detail += f", not measured on {counted(worst.lost, 'clip')} where the other one is"
        if left := len(strata) - len(judged):
            detail += f"; too few speakers in {left} of {len(strata)} strata"
        yield PolicyCheck(f"by {words}", what, worst.holds(most), worst.gain, -most, detail)


def _high(part: StratumComparison) -> float:
    assert part.gain is not None
    return float("inf") if part.gain.high is None else part.gain.high
