"""Decision whether a challenger replaces the champion: a pure function of scores and policy.

In doubt the champion stays. The rules, and how often they err: docs/promotion.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from heterodub.model.evaluation.intervals import (
    Interval,
    Resampling,
    Scores,
    difference_interval,
    gain_difference_interval,
    reduction_interval,
)
from heterodub.schemas.display import counted
from heterodub.schemas.promotion import ModelRule, ResamplingRule
from heterodub.schemas.strata import ClipStrata

from .candidates import ModelScores
from .checks import MOST_LOST, PolicyCheck, figure, lost_clips
from .evaluators import Direction
from .stratum_checks import StratumComparison, compare_strata, stratum_checks

Outcome = Literal["promote", "keep"]


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """Decision, in one sentence and by every check. strata: both models on each stratum of the clips."""

    outcome: Outcome
    reason: str
    clips: int
    speakers: int
    checks: tuple[PolicyCheck, ...]
    strata: tuple[StratumComparison, ...] = ()

    @property
    def rows(self) -> list[dict[str, str]]:
        """A row for each check, as texts."""
        return [
            {
                "check": check.name,
                "required": check.what,
                "result": figure(check),
                "held": "yes" if check.passed else "NO",
            }
            for check in self.checks
        ]

    def summary(self) -> dict[str, Any]:
        """Return the decision ready for JSON, with each check's figure in words."""
        return asdict(self) | {"checks": [asdict(check) | {"figure": figure(check)} for check in self.checks]}


def decide(
    challenger: ModelScores,
    champion: ModelScores | None,
    directions: Mapping[str, Direction],
    rule: ModelRule,
    resampling: ResamplingRule,
    strata: ClipStrata,
) -> PromotionDecision:
    """Decide whether the challenger wins. Without a champion it has to beat its controls, and nothing else; on a
    benchmark that is too small to decide on, by its figures alone, whatever their intervals.

    strata: those of the clips; a clip that has none belongs to no stratum.

    Raises: ValueError - the two were scored on different clips.
    """
    speakers = challenger.speakers
    if champion is not None and champion.speakers != speakers:
        raise ValueError("champion and challenger were scored on different clips")
    clips = sorted(speakers)
    groups = [speakers[clip] for clip in clips]
    is_large_enough = len(clips) >= rule.least_clips and len(set(groups)) >= rule.least_speakers
    how = Resampling(**resampling.model_dump())
    compared = compare_strata(challenger, champion, strata, rule, resampling.level)
    rules = _PolicyChecks(challenger, champion, directions, rule, clips, groups, how, is_large_enough, compared)
    checks = tuple(rules.checks())
    passed = (is_large_enough or champion is None) and all(check.passed for check in checks)
    reason = _sentence(checks, rule, len(clips), len(set(groups)), is_large_enough, champion is None)
    return PromotionDecision("promote" if passed else "keep", reason, len(clips), len(set(groups)), checks, compared)


@dataclass(frozen=True, slots=True)
class _PolicyChecks:
    challenger: ModelScores
    champion: ModelScores | None
    directions: Mapping[str, Direction]
    rule: ModelRule
    clips: Sequence[str]
    groups: Sequence[str]
    how: Resampling
    is_large_enough: bool
    strata: Sequence[StratumComparison]

    def checks(self) -> Iterator[PolicyCheck]:
        if self.champion is not None:
            yield self._primary(self.champion)
        for control, least in self.rule.controls.items():
            yield self._control(control, least)
        if self.champion is None:
            return
        for control, most in self.rule.gain_tolerances.items():
            yield self._gain(self.champion, control, most)
        for score, most in self.rule.tolerances.items():
            yield self._tolerance(self.champion, score, most)
        yield from stratum_checks(self.strata, self.rule)
        for cost, times in self.rule.costs.items():
            yield self._cost(self.champion, cost, times)

    def _primary(self, champion: ModelScores) -> PolicyCheck:
        least, score = self.rule.minimum_effect, self.rule.primary
        ours, theirs = self._scores(self.challenger, score), self._scores(champion, score)
        value = reduction_interval(ours, theirs, self.groups, self.how)
        what = f"{score} below the champion's, as a share of it, surely by {least:g}"
        lost = lost_clips(ours, theirs)
        return self._check("primary", what, value, surely=True, limit=least, lost=lost, beyond=True)

    def _control(self, control: str, least: float) -> PolicyCheck:
        score = self.rule.primary
        ours = self._scores(self.challenger, score)
        theirs = self.challenger.column(control, score, self.clips)
        value = reduction_interval(ours, theirs, self.groups, self.how)
        # nobody is displaced by a first champion, and a small benchmark has no interval worth the name
        surely = self.is_large_enough or self.champion is not None
        what = f"{score} below that of {control}, as a share of it, {'surely ' * surely}by {least:g}"
        lost = lost_clips(ours, theirs)
        return self._check(f"beats {control}", what, value, surely=surely, limit=least, lost=lost, beyond=True)

    def _gain(self, champion: ModelScores, control: str, most: float) -> PolicyCheck:
        score = self.rule.primary
        pairs = [
            (self._scores(candidate, score), candidate.column(control, score, self.clips))
            for candidate in (self.challenger, champion)
        ]
        value = gain_difference_interval(pairs[0], pairs[1], self.groups, self.how)
        what = f"gain over {control} no more than {most:g} smaller than the champion's"
        return self._check(f"gain over {control}", what, value, surely=False, limit=-most, lost=lost_clips(*pairs[0]))

    def _tolerance(self, champion: ModelScores, score: str, most: float) -> PolicyCheck:
        direction = self.directions[score]
        ours, theirs = (
            _goodness(self._scores(candidate, score), direction) for candidate in (self.challenger, champion)
        )
        value = difference_interval(ours, theirs, self.groups, self.how)
        what = f"{score} ({_WORDS[direction]}) no more than {most:g} worse than the champion's"
        if any(value is not None for value in ours) and all(value is None for value in theirs):
            return PolicyCheck(
                score, what, True, value, -most, "the champion has none: a still mouth cannot be measured"
            )
        return self._check(score, what, value, surely=False, limit=-most, lost=lost_clips(ours, theirs))

    def _cost(self, champion: ModelScores, cost: str, times: float) -> PolicyCheck:
        what = f"{cost} no more than {times:g} times the champion's"
        ours, theirs = self.challenger.costs.get(cost), champion.costs.get(cost)
        if ours is None or theirs is None:
            return PolicyCheck(cost, what, False, None, times, "was not measured")
        return PolicyCheck(
            cost, what, ours <= times * theirs, None, times, f"{_amount(ours)} against {_amount(theirs)}"
        )

    def _check(
        self, name: str, what: str, value: Interval, *, surely: bool, limit: float, lost: int, beyond: bool = False
    ) -> PolicyCheck:
        """Check a value against its limit. surely: the interval's near end counts, else the figure itself. beyond: it
        has to lie above the limit, else the limit is enough.
        """
        if lost > MOST_LOST * len(self.clips):
            return PolicyCheck(
                name, what, False, value, limit, f"not measured on {counted(lost, 'clip')} where the other one is"
            )
        decisive = value.low if surely else value.mean
        if decisive is None:
            return PolicyCheck(name, what, False, value, limit, _unmeasured(value))
        return PolicyCheck(name, what, decisive > limit if beyond else decisive >= limit, value, limit)

    def _scores(self, candidate: ModelScores, score: str) -> list[float | None]:
        return candidate.column(candidate.main_system, score, self.clips)


_GOODNESS: Final[Mapping[Direction, Callable[[float], float]]] = {
    "less": lambda value: -value,
    "more": lambda value: value,
    "near one": lambda value: -abs(value - 1),
    "up to one": lambda value: -max(value, 1.0),
}
_WORDS: Final[Mapping[Direction, str]] = {
    "less": "less is better",
    "more": "more is better",
    "near one": "best at 1",
    "up to one": "good up to 1",
}


def _goodness(values: Scores, direction: Direction) -> list[float | None]:
    """Return scores mapped so that more is better."""
    return [None if value is None else _GOODNESS[direction](value) for value in values]


def _unmeasured(value: Interval) -> str:
    """Explain why a figure or its interval is missing."""
    cause = value.why_missing() or "could not be measured"
    return cause if value.mean is None else f"no interval: {cause}"


def _sentence(
    checks: Sequence[PolicyCheck], rule: ModelRule, clips: int, speakers: int, is_large_enough: bool, is_first: bool
) -> str:
    present = f"the benchmark holds {counted(clips, 'clip')} of {counted(speakers, 'speaker')}"
    size = "" if is_large_enough else f"{present}, the policy requires {rule.least_clips} and {rule.least_speakers}"
    if size and not is_first:
        return f"undecidable: {size}"
    failed = [check for check in checks if not check.passed]
    if not checks:
        return "the policy requires nothing of a first champion"
    if size and not failed:
        return f"the first champion's figures beat its controls', without surety: {size}"
    if not failed:
        first = checks[0]
        least = "" if first.value is None or first.value.low is None else f" (at least {100 * first.value.low:.1f} %)"
        if is_first:
            return f"the first champion beats its controls{least}"
        return f"{first.what}{least}, and every guard holds"
    if failed[0].name == "primary":
        return f"{_how_far(failed[0])}: {figure(failed[0])}, required is {100 * failed[0].limit:g} %"
    return "not held: " + "; ".join([f"{check.what} ({figure(check)})" for check in failed] + [size] * bool(size))


def _how_far(check: PolicyCheck) -> str:
    value = check.value
    if check.detail or value is None or value.low is None or value.high is None:
        return f"undecidable ({check.detail or 'no interval'})"
    if value.high < 0:
        return "the challenger is worse"
    return "undecidable, the interval holds zero" if value.low <= 0 else "better, but not surely by enough"


def _amount(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 10_000 else f"{cost:.4g}"  # no exponent for counts of parameters
