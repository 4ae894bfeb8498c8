"""The policy that a workspace was routed by. It stays in force until `heterodub route` replaces it."""

import re
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import SettingsError, WorkspaceError
from heterodub.schemas.policy import Policy, load_policy
from heterodub.schemas.toml import describe
from heterodub.tasks.stores.workspace import Workspace

FILE: Final = "policy.json"
KEPT: Final = "policies"
"""Folder with every policy that was in force, by its hash."""

_HASH: Final = re.compile(r"[0-9a-f]+")


def active_policy(workspace: Workspace) -> Policy | None:
    """Read the policy that routed the workspace's clips; None before the first ingest.

    Raises: WorkspaceError - its file is damaged.
    """
    path = workspace.path(FILE)
    files = workspace.filesystem()
    if not files.exists(path):
        return None
    try:
        return Policy.model_validate_json(files.cat_file(path))
    except (ValidationError, OSError) as error:
        why = describe(error) if isinstance(error, ValidationError) else error.strerror or error
        raise WorkspaceError(f"{path} is not the policy that it should be: {why}") from error


def policy_in_force(workspace: Workspace, settings: Settings) -> Policy:
    """Return the active policy of the workspace; before the first ingest, the one that an ingest would use.

    Raises: WorkspaceError - the workspace's policy is damaged. SettingsError - the policy file is.
    """
    return active_policy(workspace) or load_policy(settings.policy)


def chosen_policy(workspace: Workspace, settings: Settings, path: str | Path | None) -> Policy:
    """Return the policy of a file; without one, the policy in force.

    Raises: WorkspaceError - the workspace's policy is damaged. SettingsError - the policy file is.
    """
    return policy_in_force(workspace, settings) if path is None else load_policy(path)


def set_policy(workspace: Workspace, policy: Policy) -> None:
    """Store `policy` as the one in force; a copy stays when another takes its place, for reports on older releases."""
    text = policy.model_dump_json(indent=2).encode()
    files = workspace.filesystem()
    files.makedirs(workspace.path(KEPT), exist_ok=True)
    for path in (f"{KEPT}/{policy.hash}.json", FILE):
        files.pipe_file(workspace.path(path), text)


def kept_policy(workspace: Workspace, policy_hash: str) -> Policy | None:
    """Return the policy of that hash that is or was in force; None where it is not kept, or is damaged.

    Raises: WorkspaceError - the file of the policy in force is damaged.
    """
    standing = active_policy(workspace)
    if standing is not None and standing.hash == policy_hash:
        return standing
    path = workspace.path(f"{KEPT}/{policy_hash}.json")
    files = workspace.filesystem()
    if not _HASH.fullmatch(policy_hash) or not files.exists(path):
        return None
    try:
        policy = Policy.model_validate_json(files.cat_file(path))
    except (ValidationError, OSError):
        return None
    return policy if policy.hash == policy_hash else None


def policy_for_ingest(workspace: Workspace, wanted: Path | None) -> Policy:
    """Return the policy by which new files are routed: the stored one, or on first use the wanted or default one.

    Raises: SettingsError - another policy is wanted than the one that routed what is stored.
    """
    standing = require_active_policy(workspace, wanted)
    if standing is None:
        standing = load_policy(wanted)
        set_policy(workspace, standing)
    return standing


def require_active_policy(workspace: Workspace, wanted: Path | None) -> Policy | None:
    """Return the stored policy, if no other one is wanted; None before the first ingest, when any may be.

    Raises: SettingsError - another policy is wanted than the one that routed what is stored; or it cannot be read.
    """
    standing = active_policy(workspace)
    if standing is None:
        load_policy(wanted)
        return None
    if wanted is not None and load_policy(wanted).hash != standing.hash:
        raise SettingsError(
            f"the workspace is routed by policy {standing.name} version {standing.version}, not by {wanted}; "
            f"`heterodub route --policy {wanted}` routes what is stored anew, then ingest follows it"
        )
    return standing
