"""Summaries of a promotion: ready for JSON, and as rows for tables."""

from dataclasses import asdict
from typing import Any, Final

from .decision import PolicyCheck, PromotionDecision
from .evidence import REFUSED
from .gate import Comparison
from .ledger import Move
from .model_scores import ModelScores

NO_CHAMPION: Final = "no champion"
"""Outcome of a promotion that leaves a model without a champion."""


def outcome_of(champion: int | None, moved: bool, refused: str) -> str:
    """Return the outcome of a promotion: promoted, refused by a person, kept (the champion stays), or no champion."""
    return "promoted" if moved else REFUSED if refused else NO_CHAMPION if champion is None else "kept"


def promotion_summary(
    comparison: Comparison,
    model_scores: list[ModelScores],
    verdict: PromotionDecision,
    run: str,
    move: Move | None,
    refused: str = "",
) -> dict[str, Any]:
    """Return the summary of a promotion. refused: reason of a person's refusal."""
    champion = comparison.champion.number if comparison.champion else None
    return {
        "outcome": outcome_of(champion, move is not None, refused),
        "why": refused or verdict.why,
        "model": comparison.evaluator.model,
        "challenger": comparison.challenger.number,
        "champion_before": champion,
        "champion": move.to_version if move else champion,
        "benchmark": comparison.benchmark.benchmark,
        "clips": verdict.clips,
        "speakers": verdict.speakers,
        "policy": f"{comparison.policy.name} {comparison.policy.version} ({comparison.policy.hash})",
        "run": run,
        "move": move.move_id if move else None,
        "repaired": comparison.repaired or None,
        "costs": {str(candidate.version): dict(candidate.costs) for candidate in model_scores},
        "checks": [asdict(check) for check in verdict.checks],
    }


def check_rows(verdict: PromotionDecision) -> list[dict[str, str]]:
    """Return a row for each check, as texts."""
    return [
        {"check": check.name, "asked": check.what, "found": figure(check), "held": "yes" if check.passed else "NO"}
        for check in verdict.checks
    ]


def figure(check: PolicyCheck) -> str:
    """Return the figure of a check with its interval as text, or why there is none."""
    value = check.value
    if value is None or value.mean is None:
        return check.detail or "not measured"
    text = value.format("+.3f")
    return f"{text}, {check.detail}" if check.detail else text
