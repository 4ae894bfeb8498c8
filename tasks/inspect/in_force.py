"""Policy in force: the one that the workspace was routed by, else the one of the settings."""

from pydantic import ValidationError

from schemas.config.settings import Settings
from schemas.errors import WorkspaceError
from schemas.policy import Policy, load_policy
from tasks.stores.active_policy import FILE, active_policy
from tasks.stores.workspace import Workspace


def policy_in_force(ws: Workspace, settings: Settings) -> Policy:
    """Return the active policy of the workspace; before the first ingest, the one that an ingest would use.

    Raises: WorkspaceError - the workspace's policy is damaged. SettingsError - the policy file is.
    """
    try:
        active = active_policy(ws)
    except (ValidationError, ValueError, OSError) as error:
        raise WorkspaceError(f"{ws.root}/{FILE} cannot be read: {error}") from error
    return load_policy(settings.policy) if active is None else active
