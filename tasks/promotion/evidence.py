"""Writes down what a decision rests on: an MLflow run with scores, checks and rows of both candidates."""

import hashlib
import json
from typing import Any, Final

from model.metrics.bootstrap import mean_interval
from schemas.config.settings import Settings
from tasks.stores.workspace import Workspace

from .decision import PolicyCheck, PromotionDecision
from .gate import Comparison
from .model_scores import ModelScores

FOLDER: Final = "promotion"
"""Folder of the evidence among a run's files."""

REFUSED: Final = "refused by a person"
"""How a promotion ends that the policy wanted and a person did not."""

NOT_MOVED: Final = "not moved"
"""How one ends that the policy wanted and something else came before: another promotion, a takedown."""

PAGE: Final = f"{FOLDER}/comparison.html"
"""The page for people; it shows clips of the benchmark, so a takedown erases it."""


def keep_evidence(
    settings: Settings, comparison: Comparison, sheets: list[ModelScores], verdict: PromotionDecision, page: str = ""
) -> str:
    """A run that holds everything behind a decision; returns its id. page: the comparison, for people, which the run of
    the challenger's training gets as well.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.runs import TrackedRun, tracked_run
    from tasks.tracking.store import open_tracking

    ws = Workspace.open(settings.workspace)
    with tracked_run(open_tracking(settings.tracking, ws), f"promote {comparison.title}") as run:
        run.tags(_tags(comparison, verdict))
        run.metrics(_metrics(comparison, sheets, verdict))
        run.content(f"{FOLDER}/verdict.json", _text(verdict.summary()))
        run.content(f"{FOLDER}/policy.json", comparison.policy.model_dump_json(indent=2) + "\n")
        run.content(f"{FOLDER}/scores.json", _text(scores_by_version(sheets, comparison)))
        if page:
            run.content(PAGE, page)
            TrackedRun(run.tracking, comparison.challenger.run_id, resumed=True).content(PAGE, page)
        return run.run_id


def keep_outcome(settings: Settings, run_id: str, outcome: str, why: str) -> None:
    """Say in the evidence's run that what the policy would have promoted was not: REFUSED or NOT_MOVED, and why.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking.runs import TrackedRun
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    TrackedRun(tracking, run_id, resumed=True).tags({"outcome": outcome, "why": why})


def scores_by_version(sheets: list[ModelScores], comparison: Comparison) -> dict[str, Any]:
    """Every clip's scores and the costs by version, with the benchmark that they were made on, ready for JSON."""
    own = {
        str(sheet.version): {"costs": dict(sheet.costs), "rows": [_unnamed(row) for row in sheet.rows()]}
        for sheet in sheets
    }
    return {"benchmark": comparison.benchmark.benchmark, "policy": comparison.policy.hash, "versions": own}


def _unnamed(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose speaker is told by a hash: files of a run are not reached by name when somebody is taken down."""
    return row | {"speaker": hashlib.sha256(row["speaker"].encode()).hexdigest()[:12]}


def _tags(comparison: Comparison, verdict: PromotionDecision) -> dict[str, str]:
    return {
        "model": comparison.judge.model,
        "challenger": str(comparison.challenger.number),
        "champion": str(comparison.champion.number) if comparison.champion else "none",
        "benchmark": comparison.benchmark.benchmark,
        "policy": comparison.policy.hash,
        "challenger_run": comparison.challenger.run_id,
        "outcome": verdict.outcome,
        "why": verdict.why,
    }


def _metrics(comparison: Comparison, sheets: list[ModelScores], verdict: PromotionDecision) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for sheet, role in zip(sheets, ("challenger", "champion"), strict=False):
        clips = sorted(sheet.speakers)
        for name in comparison.judge.directions:
            found[f"{role}/{name}"] = mean_interval(sheet.column(sheet.own, name, clips)).mean
        found |= {f"{role}/{name}": value for name, value in sheet.costs.items()}
    for check in verdict.checks:
        found |= _of_check(check)
    return found


def _of_check(check: PolicyCheck) -> dict[str, float | None]:
    name, value = f"check/{check.name.replace(' ', '_')}", check.value
    told: dict[str, float | None] = {f"{name}/passed": float(check.passed)}
    if value is not None:
        told |= {f"{name}/mean": value.mean, f"{name}/low": value.low, f"{name}/high": value.high}
    return told


def _text(tree: dict[str, Any]) -> str:
    return json.dumps(tree, indent=2) + "\n"
