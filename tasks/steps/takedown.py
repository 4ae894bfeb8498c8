"""The steps of a takedown as Prefect tasks. Each is thin: the work is done by the parts of tasks/lineage."""

from typing import Any

from prefect import get_client, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectHTTPStatusError

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import TakedownPlan, plan, tracking_if_there
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.releases.publishing import PublishResult
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.events import audited, emit_published
from heterodub.tasks.stores.tombstones import Kind, takedown_id
from heterodub.tasks.stores.workspace import Workspace


def forget_name(kind: Kind, value: str) -> None:
    """Put the takedown's id in the place of the name among this flow run's parameters: Prefect stores those of a
    deployment before the flow sees them.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    named = {"value": f"takedown {takedown_id(kind, value)}", "reason": "kept with the tombstone"}
    parameters = dict(context.flow_run.parameters) | named
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, parameters=parameters).raise_for_status()
    except PrefectHTTPStatusError as error:  # the footage goes all the same
        get_run_logger().warning("name and reason are still among the parameters of this flow run: %s", error)


plan_erasure = task(name="plan_erasure", cache_policy=NO_CACHE)(plan)
"""Plan of a takedown; changes nothing."""


@task(cache_policy=NO_CACHE)
@as_step("erase", lambda summary: Counts(files=len(summary["files"]), clips=summary["clips"]))
def erase(settings: Settings, planned: TakedownPlan, reason: str, with_models: bool) -> dict[str, Any]:
    """Write tombstones, tag the models (or delete them), delete rows and bytes, publish a new release.

    Not retried as a whole: the same takedown again finishes what an interrupted one left.

    Raises: PromotionError, WorkspaceError, TrackingError, AuditFailedError - the text says what to do.
    """
    ws = Workspace.open(settings.workspace)
    with audited(settings):
        summary = take_down(ws, settings, tracking_if_there(settings, ws), planned, reason, with_models)
    emit_published(settings, PublishResult(summary["release"], summary["release_is_new"]))
    rows = [{"model": row["model"], "version": row["version"], "clips": row["clips"]} for row in summary["models"]]
    show_table("takedown", rows or [{}], description=f"takedown {summary['takedown']}")
    return summary
