"""Another policy over what is measured already."""

from typing import Any

from prefect import flow

from schemas.policy import load_policy
from schemas.settings import Settings, load_settings
from tasks.extract.watching import Silent, Watcher
from tasks.ingest import publish_release
from tasks.rerouting import describe
from tasks.route import apply_route, plan_route


@flow(name="route", validate_parameters=False)
def route(
    policy: str, workspace: str | None = None, settings: Settings | None = None, watcher: Watcher | None = None
) -> dict[str, Any]:
    """Route every stored clip by a new policy, extract what is newly admitted, and publish.

    Returns what changed, in numbers.

    Raises: HeterodubError - the policy, the workspace, the cluster or the audit.
    """
    settings = settings or load_settings(workspace=workspace)
    watcher = watcher or Silent()
    wanted = load_policy(policy)
    plan = plan_route(settings, wanted)
    applied = apply_route(plan, settings, watcher)
    published = publish_release(settings, wanted, watcher)
    failed = {media: str(refusal) for media, refusal in applied.failed.items()}
    return describe(plan) | {"files_decoded": applied.decoded, "failed": failed, "release": published.release_id}
