"""Preview of a takedown, read-only and without a server."""

from typing import Any

from schemas.config.settings import Settings
from schemas.endings import with_ending
from tasks.lineage.trace import tracking_if_there
from tasks.monitoring.run_log import as_step, recorded
from tasks.preflight.data import check_takedown
from tasks.stores.tombstones import Kind
from tasks.stores.workspace import Workspace

from .plan import TakedownPlan, plan_takedown
from .scope import find_scope


@recorded("takedown")
def preview(
    kind: Kind, value: str, workspace: str | None = None, config: str | None = None, with_near_copies: bool = False
) -> dict[str, Any]:
    """Return the summary of the plan, ready for JSON; recorded as a dry run.

    Raises: NotFoundError - nothing is called so. TrackingError, WorkspaceError, SettingsError.
    """
    settings = check_takedown(kind, value, workspace, config)
    return with_ending(plan(settings, kind, value, with_near_copies).summary(), "dry_run")


@as_step("plan")
def plan(settings: Settings, kind: Kind, value: str, with_near_copies: bool = False) -> TakedownPlan:
    """Plan a takedown, read-only.

    Raises: NotFoundError - nothing is called so. TrackingError, WorkspaceError - the text says what to do.
    """
    ws = Workspace.open(settings.workspace)
    return plan_takedown(ws, tracking_if_there(settings, ws), find_scope(ws, kind, value, with_near_copies))
