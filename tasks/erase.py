"""The steps of a takedown as Prefect tasks. Each is thin: the work is done by the parts of tasks/takedown."""

from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from schemas.settings import Settings
from tasks.answers.tracing import tracking_if_there
from tasks.events import audited, tell_published
from tasks.journal.recording import Counts, as_step
from tasks.publishing import Published
from tasks.stores.workspace import Workspace
from tasks.takedown.doing import take_down
from tasks.takedown.planning import Plan
from tasks.takedown.preview import plan

plan_erasure = task(name="plan_erasure", cache_policy=NO_CACHE)(plan)
"""Everything that a takedown would reach; changes nothing."""


@task(cache_policy=NO_CACHE)
@as_step("erase", lambda told: Counts(files=len(told["files"]), clips=told["clips"]))
def erase(settings: Settings, planned: Plan, why: str, with_models: bool) -> dict[str, Any]:
    """Bar it, name and tag the models (or delete them), delete rows and bytes, publish anew.

    Not retried as a whole: the same takedown again finishes what an interrupted one left.

    Raises: PromotionError, WorkspaceError, TrackingError, AuditFailedError - the text says what to do.
    """
    ws = Workspace.open(settings.workspace)
    with audited(settings):
        told = take_down(ws, settings, tracking_if_there(settings, ws), planned, why, with_models)
    tell_published(settings, Published(told["release"], told["release_is_new"]))
    rows = [{"model": row["model"], "version": row["version"], "clips": row["clips"]} for row in told["models"]]
    create_table_artifact(key="takedown", table=rows or [{}], description=f"takedown {told['takedown']}")
    return told
