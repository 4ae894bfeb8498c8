"""The steps that only a retraining has, as Prefect tasks. Each is thin: the work is done by tasks/retraining.

Ingesting, training, scoring and promoting are flows of their own; flows/retrain.py calls them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from schemas.config.retraining import StageName
from schemas.config.settings import Settings
from tasks.monitoring.run_log import Counts, as_step
from tasks.retraining import summary
from tasks.retraining.decide import Outlook, weigh
from tasks.retraining.rows import markdown
from tasks.stores.workspace import Workspace


def _weighed(outlook: Outlook) -> Counts:
    """What `metrics` keeps of the weighing; not why a stage is due, which may name whoever was taken down."""
    facts = {name: getattr(outlook, name) for name in ("stage", "release", "due", "since")}
    return Counts(clips=outlook.change.clips if outlook.change else None, facts=facts)


def _told(told: dict[str, Any]) -> Counts:
    return Counts(errors=len(told["failed"]), facts={"outcome": told["outcome"]})


@task(cache_policy=NO_CACHE)
@as_step("weigh", _weighed)
def weigh_stage(settings: Settings, stage: StageName) -> Outlook:
    """Whether a stage is due for a training, and what of it was done before; shown in the Prefect UI.

    Raises: NotFoundError, TrainingError, TrackingError, PromotionError, SettingsError - the text says what to do.
    """
    outlook = weigh(settings, stage)
    get_run_logger().info("%s: %s, since %s", stage, "due" if outlook.due else "not due", outlook.why)
    rows = [{"what": name, "value": str(getattr(outlook, name))} for name in outlook.__slots__]
    create_table_artifact(key=f"retrain-{stage}", table=rows, description=outlook.why)
    return outlook


@task(cache_policy=NO_CACHE)
@as_step("keep")
def keep_scores(settings: Settings, outlook: Outlook, version: int, scores: Mapping[str, Any]) -> None:
    """Keep a version's scores in the run of its training, without rows of single clips: those name speakers.

    Raises: TrackingError - the store cannot be reached.
    """
    from tasks.tracking import queries
    from tasks.tracking.registry import named_version
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    told = {name: value for name, value in scores.items() if name != "rows"}
    found = named_version(tracking, outlook.model, str(version))
    queries.keep_scores(tracking, found, outlook.release, json.dumps(told, indent=2) + "\n")


@task(cache_policy=NO_CACHE)
@as_step("tell", _told)
def show_retraining(
    corpora: Sequence[dict[str, Any]], stages: Sequence[dict[str, Any]], seconds: float
) -> dict[str, Any]:
    """Put the outcome of every step together, and show it in the Prefect UI."""
    told = summary.summarise(corpora, stages, seconds)
    create_markdown_artifact(key="retrain-summary", markdown=markdown(told), description=told["outcome"])
    return told
