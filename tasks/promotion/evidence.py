"""Evidence of a decision: an MLflow run with scores, checks and rows of both candidates."""

import hashlib
import json
from typing import Any, Final

from model.metrics.intervals import mean_interval
from schemas.config.settings import Settings
from tasks.stores.workspace import Workspace

from .decision import PolicyCheck, PromotionDecision
from .gate import Comparison
from .model_scores import ModelScores

FOLDER: Final = "promotion"
"""Folder of the evidence among a run's files."""

REFUSED: Final = "refused by a person"
"""Outcome of a promotion that the policy allowed and a person refused."""

NOT_MOVED: Final = "not moved"
"""Outcome of one that the policy allowed and that another promotion or a takedown prevented."""

PAGE: Final = f"{FOLDER}/comparison.html"
"""The page for people; it shows clips of the benchmark, so a takedown erases it."""


def log_evidence(
    settings: Settings,
    comparison: Comparison,
    model_scores: list[ModelScores],
    verdict: PromotionDecision,
    page: str = "",
) -> str:
    """Log everything behind a decision to a new run and return its id. page: the comparison for people, which is also
    logged to the run of the challenger's training.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.runs import TrackedRun, tracked_run
    from tasks.tracking.store import open_tracking

    ws = Workspace.open(settings.workspace)
    with tracked_run(open_tracking(settings.tracking, ws), f"promote {comparison.title}") as run:
        run.tags(_tags(comparison, verdict))
        run.metrics(_metrics(comparison, model_scores, verdict))
        run.content(f"{FOLDER}/verdict.json", _text(verdict.summary()))
        run.content(f"{FOLDER}/policy.json", comparison.policy.model_dump_json(indent=2) + "\n")
        run.content(f"{FOLDER}/scores.json", _text(scores_by_version(model_scores, comparison)))
        if page:
            run.content(PAGE, page)
            TrackedRun(run.tracking, comparison.challenger.run_id, resumed=True).content(PAGE, page)
        return run.run_id


def log_outcome(settings: Settings, run_id: str, outcome: str, why: str) -> None:
    """Log to the evidence's run that the promotion did not take place: REFUSED or NOT_MOVED, and why.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.runs import TrackedRun
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    TrackedRun(tracking, run_id, resumed=True).tags({"outcome": outcome, "why": why})


def scores_by_version(model_scores: list[ModelScores], comparison: Comparison) -> dict[str, Any]:
    """Return every clip's scores and the costs by version, with the benchmark, ready for JSON."""
    versions = {
        str(candidate.version): {
            "costs": dict(candidate.costs),
            "rows": [_pseudonymous(row) for row in candidate.rows()],
        }
        for candidate in model_scores
    }
    return {"benchmark": comparison.benchmark.benchmark, "policy": comparison.policy.hash, "versions": versions}


def _pseudonymous(row: dict[str, Any]) -> dict[str, Any]:
    """Replace the speaker of a row by a hash: a takedown does not find files of a run by name."""
    return row | {"speaker": hashlib.sha256(row["speaker"].encode()).hexdigest()[:12]}


def _tags(comparison: Comparison, verdict: PromotionDecision) -> dict[str, str]:
    return {
        "model": comparison.evaluator.model,
        "challenger": str(comparison.challenger.number),
        "champion": str(comparison.champion.number) if comparison.champion else "none",
        "benchmark": comparison.benchmark.benchmark,
        "policy": comparison.policy.hash,
        "challenger_run": comparison.challenger.run_id,
        "outcome": verdict.outcome,
        "why": verdict.why,
    }


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


def _text(tree: dict[str, Any]) -> str:
    return json.dumps(tree, indent=2) + "\n"
