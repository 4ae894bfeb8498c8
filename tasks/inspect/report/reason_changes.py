"""A reason that refuses a clip on one of two sides: the value on each, and the limit of each."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heterodub.schemas.policy import Policy, Rule
from heterodub.schemas.reasons import Stage
from heterodub.schemas.signals import BY_NAME

from .histograms import rule_text

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RouteSide:
    """One side. policy: None where a release's policy is not kept."""

    label: str
    policy: Policy | None
    clips: int

    @property
    def only(self) -> str:
        """Words for what is so on this side alone."""
        before = {"policy": "by ", "release": "in "}.get(self.label.partition(" ")[0], "")
        return f"only {before}{self.label}"


@dataclass(frozen=True, slots=True)
class ReasonChange:
    """A reason that refuses a clip on one side alone: `refuses_after` tells on which.

    signal, unit: of its limit, None where it has none. before, after: the value on each side, None where it was not
    measured. limit_before, limit_after: in words.
    """

    reason: str
    refuses_after: bool
    signal: str | None = None
    unit: str = ""
    before: float | None = None
    after: float | None = None
    limit_before: str = ""
    limit_after: str = ""


def reason_change(
    sides: tuple[RouteSide, RouteSide],
    stage: Stage,
    rows: tuple[Row | None, Row | None],
    reason: str,
    refuses_after: bool,
) -> ReasonChange:
    """Describe a reason that refuses a clip on one side alone. rows: of the clip on each side, None where it is not."""
    rules = [_rules(side.policy, stage, reason) for side in sides]
    # the limit of the side that refuses tells the signal; it must break there, where several limits share a reason
    side = int(refuses_after)
    rule = next((rule for rule in rules[side] if _refuses(rule, rows[side])), None)
    rule = rule or next((rule for of_side in rules for rule in of_side), None)
    if rule is None:
        return ReasonChange(reason, refuses_after)
    unit = BY_NAME[rule.signal].unit
    before, after = (None if row is None else row[rule.signal] for row in rows)
    limits = [
        _limit(policy, [same for same in of_side if same.field == rule.field])
        for policy, of_side in zip((side.policy for side in sides), rules, strict=True)
    ]
    return ReasonChange(reason, refuses_after, rule.signal, "" if unit == "1" else unit, before, after, *limits)


def _rules(policy: Policy | None, stage: Stage, reason: str) -> list[Rule]:
    every: Iterable[Rule] = () if policy is None else policy.rules()
    return [rule for rule in every if rule.stage is stage and reason in (rule.reason, rule.missing_reason)]


def _refuses(rule: Rule, row: Row | None) -> bool:
    value = None if row is None else row[rule.signal]
    if value is None:
        return rule.missing_reason is not None
    size = abs(value) if rule.direction == "max_abs" else value
    return bool(size < rule.limit if rule.direction == "min" else size > rule.limit)


def _limit(policy: Policy | None, rules: Sequence[Rule]) -> str:
    if policy is None:
        return "not kept"
    if not rules:
        return "no limit"
    return rule_text(rules[0]) if math.isfinite(rules[0].limit) else "measured"
