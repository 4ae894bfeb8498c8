"""Re-routing of measured clips by another policy, or by labels that were added since."""

from typing import Any

from prefect import flow
from pydantic import PositiveInt

from heterodub.schemas.endings import with_ending
from heterodub.tasks.ingestion.reroute import describe
from heterodub.tasks.preflight.data import check_route
from heterodub.tasks.releases.lines import lines_to_route
from heterodub.tasks.steps.ingest import publish_release
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.route import apply_route, plan_route
from heterodub.tasks.steps.states import shown_by_prefect
from heterodub.tasks.stores.active_policy import chosen_policy
from heterodub.tasks.stores.workspace import Workspace


@flow(name="route", flow_run_name=run_name("route", "policy"))
@shown_by_prefect
@recorded("route")
def route(
    policy: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    dask: str | None = None,
    workers: PositiveInt | None = None,
) -> dict[str, Any]:
    """Route every stored clip by a policy and the labels of people, extract what is newly admitted, and publish.

    Returns the numbers of changes.

    Args:
        policy: Routing policy file where the flow runs, or preset (lrs2, lrw), in force from then on; else the one in
            force.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        dask: Address of a running Dask scheduler, such as tcp://host:8786.
        workers: Local worker processes.

    Raises: HeterodubError - the policy, the workspace, the cluster or the audit.
    """
    settings = check_route(policy, workspace, config, dask, workers)
    store = Workspace.open(settings.workspace)
    new_policy = chosen_policy(store, settings, policy)
    in_use, *beside = lines_to_route(store, settings)
    plan = plan_route(in_use, new_policy)
    applied = apply_route(in_use, plan, settings)
    for line in beside:
        apply_route(line, plan_route(line, new_policy), settings)
    published = publish_release(store, settings, new_policy)
    failed = {media: str(refusal) for media, refusal in applied.failed.items()}
    summary = describe(plan) | {
        "files_decoded": applied.decoded,
        "files_found": applied.found,
        "failed": failed,
        "release": published.release_id,
    }
    return with_ending(summary, "partial" if failed else "done")
