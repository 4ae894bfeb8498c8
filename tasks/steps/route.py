"""The steps of a re-route as Prefect tasks."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import Policy
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.reroute import Applied, Reroute, apply_reroute, describe, extraction_jobs, plan_reroute
from heterodub.tasks.monitoring.progress import current_progress
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.progress import step_progress
from heterodub.tasks.stores.workspace import Workspace


@task(cache_policy=NO_CACHE)
@as_step("plan", lambda plan: Counts(clips=plan.clips.num_rows))
def plan_route(workspace: Workspace, policy: Policy) -> Reroute:
    """Plan the changes of a policy from measurements alone."""
    plan = plan_reroute(workspace, policy)
    changes = describe(plan)
    rows = [
        {"stage": stage, **{k: v for k, v in changes[stage].items() if k != "reasons"}}
        for stage in ("stage1", "stage2")
    ]
    show_table("route-changes", rows)
    return plan


@task(cache_policy=NO_CACHE)
@as_step("extract", lambda applied: Counts(files=applied.decoded, errors=len(applied.failed)))
def apply_route(workspace: Workspace, plan: Reroute, settings: Settings) -> Applied:
    """Extract what is newly admitted, store the decisions, and drop what is no longer admitted."""
    if not extraction_jobs(workspace, plan):
        return apply_reroute(None, workspace, plan, settings, current_progress())
    run = settings.run
    with open_client(run.dask, run.workers, workspace.scratch(), settings.limits.attempts) as client:
        return apply_reroute(client, workspace, plan, settings, step_progress())
