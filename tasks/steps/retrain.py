"""The steps that only a retraining has, as Prefect tasks. Each is thin: the work is done by tasks/promotion.

Ingesting, training, scoring and promoting are flows of their own; flows/retrain.py calls them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from heterodub.schemas.config.sections import StageName
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.promotion.retraining import Outlook, decide
from heterodub.tasks.promotion.retraining_summary import markdown, summarise
from heterodub.tasks.steps.artifacts import show_table, show_text
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.registry import keep_scores, named_version
from heterodub.tasks.tracking.store import open_tracking


def _decision_counts(outlook: Outlook) -> Counts:
    """Return the counts that the run log keeps; not the reason, which may name a speaker who was taken down."""
    facts = {name: getattr(outlook, name) for name in ("stage", "release", "due", "since")}
    return Counts(clips=outlook.change.clips if outlook.change else None, facts=facts)


def _summary_counts(summary: dict[str, Any]) -> Counts:
    return Counts(errors=len(summary["failed"]), facts={"outcome": summary["outcome"]})


@task(cache_policy=NO_CACHE)
@as_step("decide", _decision_counts)
def decide_stage(settings: Settings, stage: StageName) -> Outlook:
    """Decide whether a stage is due for a training, and which steps were done before; shown in the Prefect UI.

    Raises: NotFoundError, TrainingError, TrackingError, PromotionError, SettingsError - the text says what to do.
    """
    outlook = decide(settings, stage)
    get_run_logger().info("%s: %s, since %s", stage, "due" if outlook.due else "not due", outlook.due_reason)
    rows = [{"what": name, "value": str(getattr(outlook, name))} for name in outlook.__slots__]
    show_table(f"retrain-{stage}", rows, description=outlook.due_reason)
    return outlook


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_training_scores(settings: Settings, outlook: Outlook, version: int, scores: Mapping[str, Any]) -> None:
    """Log a version's scores to the run of its training, without rows of single clips: those name speakers.

    Raises: TrackingError - the store cannot be reached.
    """
    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    summary = {name: value for name, value in scores.items() if name != "rows"}
    trained = named_version(tracking, outlook.model, str(version))
    keep_scores(tracking, trained, outlook.release, summary)


@task(cache_policy=NO_CACHE)
@as_step("report", _summary_counts)
def show_retraining(
    corpora: Sequence[dict[str, Any]], stages: Sequence[dict[str, Any]], seconds: float
) -> dict[str, Any]:
    """Summarise the outcome of every step, and show it in the Prefect UI."""
    summary = summarise(corpora, stages, seconds)
    show_text("retrain-summary", markdown(summary), description=summary["outcome"])
    return summary
