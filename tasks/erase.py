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
from tasks.stores.tombstones import Kind
from tasks.stores.workspace import Workspace
from tasks.takedown.doing import take_down
from tasks.takedown.planning import Plan, plan_takedown
from tasks.takedown.scope import find_scope


@task(cache_policy=NO_CACHE)
@as_step("plan")
def plan_erasure(settings: Settings, kind: Kind, value: str) -> Plan:
    """Everything that a takedown would reach; changes nothing.

    Raises: NotFoundError - nothing is called so. TrackingError, WorkspaceError - the text says what to do.
    """
    ws = Workspace.open(settings.workspace)
    return plan_takedown(ws, tracking_if_there(settings, ws), find_scope(ws, kind, value))


@task(cache_policy=NO_CACHE)
@as_step("erase", lambda told: Counts(files=len(told["files"]), clips=told["clips"]))
def erase(settings: Settings, plan: Plan, why: str, with_models: bool) -> dict[str, Any]:
    """Bar it, name and tag the models (or delete them), delete rows and bytes, publish anew.

    Not retried as a whole: the same takedown again finishes what an interrupted one left.

    Raises: PromotionError, WorkspaceError, TrackingError, AuditFailedError - the text says what to do.
    """
    ws = Workspace.open(settings.workspace)
    with audited(settings):
        told = take_down(ws, settings, tracking_if_there(settings, ws), plan, why, with_models)
    tell_published(settings, Published(told["release"], told["release_is_new"]))
    rows = [{"model": row["model"], "version": row["version"], "clips": row["clips"]} for row in told["models"]]
    create_table_artifact(key="takedown", table=rows or [{}], description=f"takedown {told['takedown']}")
    return told
