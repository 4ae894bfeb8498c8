"""Routing: a pure function of measurements and policy. No media, no files, no state.

One implementation serves a single clip in a worker and a million rows of a dry run: columns in, columns out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heterodub.schemas.policy import Policy, Rule
from heterodub.schemas.reasons import UNUSABLE, ClipReason, Stage
from heterodub.schemas.records import Decision
from heterodub.schemas.rights import NOTHING_STATED, RIGHTS

Columns = Mapping[str, NDArray[np.float64]]
"""Signal name -> (clips,) float; NaN where it could not be measured."""

Mask = NDArray[np.bool_]
Refusals = dict[Stage, dict[ClipReason, Mask]]
"""For each stage and reason a mask (clips,) of the clips that are refused for it."""

Stated = Mapping[str, Any]
"""Rights in the footage of one clip: its values of RIGHTS."""

Verdicts = Mapping[Stage, bool]
"""Labels of a person on one clip: True keeps it for the stage, False refuses it."""


@dataclass(frozen=True, slots=True)
class LimitCheck:
    """Result of one rule for one clip: the number, the limit, and True if it holds."""

    rule: Rule
    value: float | None
    passed: bool
    reason: ClipReason | None


def broken(rule: Rule, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the clips whose measured value breaks the rule, (clips,); an unmeasured value breaks nothing."""
    with np.errstate(invalid="ignore"):
        if rule.direction == "min":
            return values < rule.limit
        return (np.abs(values) if rule.direction == "max_abs" else values) > rule.limit


def refused(rule: Rule, values: NDArray[np.float64]) -> dict[ClipReason, NDArray[np.bool_]]:
    """Mark the clips that the rule refuses, by reason: the value breaks it, or is missing where it must be known."""
    masks = {rule.reason: broken(rule, values)}
    if rule.missing_reason is not None:
        missing = np.isnan(values)
        masks[rule.missing_reason] = masks.get(rule.missing_reason, False) | missing
    return masks


def route_columns(signals: Columns, policy: Policy) -> Refusals:
    """Return, for each stage and reason, a mask of the clips that are refused for it.

    A clip is admitted to a stage when no mask of that stage holds it.
    """
    masks: Refusals = {Stage.STAGE1: {}, Stage.STAGE2: {}}
    for rule in policy.rules():
        for reason, mask in refused(rule, signals[rule.signal]).items():
            previous = masks[rule.stage].get(reason)
            masks[rule.stage][reason] = mask if previous is None else previous | mask
    return masks


def with_rights(masks: Refusals, stated: Sequence[Stated], policy: Policy) -> Refusals:
    """Add the refusals of clips whose rights the policy does not allow. stated: of each clip."""
    refused: Refusals = {stage: dict(of_stage) for stage, of_stage in masks.items()}
    places: dict[tuple[str | None, ...], list[int]] = {}
    for place, one in enumerate(stated):
        places.setdefault(tuple(one[name] for name in RIGHTS), []).append(place)
    for values, clips in places.items():
        for stage in Stage:
            for reason in policy.rights.refusals(stage, dict(zip(RIGHTS, values, strict=True))):
                refused[stage].setdefault(reason, np.zeros(len(stated), bool))[clips] = True
    return refused


def overrule(masks: Refusals, clips: int, verdicts: Mapping[int, Verdicts]) -> Refusals:
    """Apply labels: a kept clip loses all reasons but UNUSABLE, a refused one gains a reason.

    clips: number of clips. verdicts: labels of those that have any, by their place.
    """
    overruled: Refusals = {}
    for stage, of_stage in masks.items():
        kept, refused = np.zeros(clips, bool), np.zeros(clips, bool)
        for place, said in verdicts.items():
            if stage in said:
                (kept if said[stage] else refused)[place] = True
        overruled[stage] = {
            reason: mask if reason in UNUSABLE else mask & ~kept for reason, mask in of_stage.items()
        } | {ClipReason.REFUSED_BY_PERSON: refused}
    return overruled


def as_columns(clips: Sequence[Mapping[str, float | None]], policy: Policy) -> dict[str, NDArray[np.float64]]:
    """Return columns of the signals that the policy uses; null becomes NaN."""
    names = {rule.signal for rule in policy.rules()}
    return {
        name: np.array([np.nan if (value := clip[name]) is None else value for clip in clips], np.float64)
        for name in names
    }


def route_clip(
    values: Mapping[str, float | None],
    policy: Policy,
    verdicts: Verdicts | None = None,
    stated: Stated = NOTHING_STATED,
) -> Decision:
    """Route one clip. `values` holds every signal of heterodub.schemas.signals, null where not measured.

    verdicts: labels of a person, which overrule the policy's limits. stated: rights, which nothing overrules.
    """
    masks = with_rights(route_columns(as_columns([values], policy), policy), [stated], policy)
    masks = overrule(masks, 1, {0: verdicts or {}})
    reasons = {
        stage: tuple(sorted(reason for reason, mask in of_stage.items() if mask[0]))
        for stage, of_stage in masks.items()
    }
    first, second = reasons[Stage.STAGE1], reasons[Stage.STAGE2]
    return Decision(stage1=not first, stage2=not second, stage1_reasons=first, stage2_reasons=second)


def explain(values: Mapping[str, float | None], policy: Policy) -> list[LimitCheck]:
    """Check every rule of the policy on one clip, in policy order."""
    checks = []
    for rule in policy.rules():
        column = np.array([np.nan if values[rule.signal] is None else values[rule.signal]], np.float64)
        reasons = [reason for reason, mask in refused(rule, column).items() if mask[0]]
        checks.append(LimitCheck(rule, values[rule.signal], not reasons, reasons[0] if reasons else None))
    return checks
