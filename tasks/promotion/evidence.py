"""Evidence of a decision: an MLflow run with scores, checks and rows of both candidates; and its summary."""

from typing import Any, Final

from heterodub.model.evaluation.intervals import mean_interval
from heterodub.schemas.promotion import NO_CHAMPION, REFUSED
from heterodub.tasks.tracking.ledger import Move
from heterodub.tasks.tracking.runs import TrackedRun, tracked_run

from .candidates import ModelScores
from .checks import PolicyCheck
from .decision import PromotionDecision
from .gate import Comparison

FOLDER: Final = "promotion"
"""Folder of the evidence among a run's files."""

PAGE: Final = f"{FOLDER}/comparison.html"
"""The page for people; it shows clips of the benchmark, so a takedown erases it."""


def log_evidence(
    comparison: Comparison,
    model_scores: list[ModelScores],
    verdict: PromotionDecision,
    page: str = "",
) -> str:
    """Log everything behind a decision to a new run and return its id. page: the comparison for people, which is also
    logged to the run of the challenger's training.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracked_run(comparison.champions.tracking.of("promotion"), f"promote {comparison.title}") as run:
        run.tags(_tags(comparison, verdict))
        run.describe(_description(verdict))
        run.metrics(_metrics(comparison, model_scores, verdict))
        run.content(f"{FOLDER}/verdict.json", verdict.summary())
        run.content(f"{FOLDER}/policy.json", comparison.policy.model_dump_json(indent=2) + "\n")
        run.content(f"{FOLDER}/scores.json", scores_by_version(model_scores, comparison))
        if page:
            run.content(PAGE, page)
            TrackedRun(run.tracking, comparison.challenger.run_id, resumed=True).content(PAGE, page)
        return run.run_id


def log_outcome(comparison: Comparison, run_id: str, outcome: str, reason: str) -> None:
    """Log to the evidence's run that the promotion did not take place: REFUSED or NOT_MOVED, and why.

    Raises: TrackingError - the store cannot be reached.
    """
    TrackedRun(comparison.champions.tracking, run_id, resumed=True).tags({"outcome": outcome, "reason": reason})


def scores_by_version(model_scores: list[ModelScores], comparison: Comparison) -> dict[str, Any]:
    """Return every clip's scores and the costs by version, with the benchmark and its strata, ready for JSON."""
    versions = {
        str(candidate.version): {
            "costs": dict(candidate.costs),
            "rows": [row.pseudonymous_row() for row in candidate.clip_scores],
        }
        for candidate in model_scores
    }
    return {
        "benchmark": comparison.benchmark.benchmark,
        "policy": comparison.policy.hash,
        "strata": comparison.strata,
        "versions": versions,
    }


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
        "reason": refused or verdict.reason,
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
        "checks": verdict.summary()["checks"],
        "strata": verdict.summary()["strata"],
    }


def _tags(comparison: Comparison, verdict: PromotionDecision) -> dict[str, str]:
    return {
        "model": comparison.evaluator.model,
        "challenger": str(comparison.challenger.number),
        "champion": str(comparison.champion.number) if comparison.champion else "none",
        "benchmark": comparison.benchmark.benchmark,
        "policy": comparison.policy.hash,
        "challenger_run": comparison.challenger.run_id,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
    }


def _description(verdict: PromotionDecision) -> str:
    """Return the decision and its checks, in Markdown."""
    rows = [f"| {' | '.join(row.values())} |" for row in verdict.rows]
    head = ["| check | required | result | held |", "|---|---|---|---|"]
    return "\n".join([f"**{verdict.outcome}**: {verdict.reason}", "", *head, *rows])


def _metrics(
    comparison: Comparison, model_scores: list[ModelScores], verdict: PromotionDecision
) -> dict[str, float | None]:
    metrics: dict[str, float | None] = {}
    for candidate, role in zip(model_scores, ("challenger", "champion"), strict=False):
        clips = sorted(candidate.speakers)
        for name in comparison.evaluator.directions:
            metrics[f"{role}/{name}"] = mean_interval(candidate.column(candidate.main_system, name, clips)).mean
        metrics |= {f"{role}/{name}": value for name, value in candidate.costs.items()}
    for check in verdict.checks:
        metrics |= _of_check(check)
    return metrics


def _of_check(check: PolicyCheck) -> dict[str, float | None]:
    name, value = f"check/{check.name.replace(' ', '_')}", check.value
    metrics: dict[str, float | None] = {f"{name}/passed": float(check.passed)}
    if value is not None:
        metrics |= {f"{name}/mean": value.mean, f"{name}/low": value.low, f"{name}/high": value.high}
    return metrics
