"""All checks of `doctor`."""

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.policy import load_policy

from .check_installation import check_installation
from .check_promotions import check_promotions
from .check_tracking import check_tracking
from .check_workspace import check_workspace
from .findings import Finding, good, problem


def diagnose(settings: Settings) -> list[Finding]:
    """Check the installation, the policy, the workspace, the tracking store and the champions, read-only."""
    return [
        *check_installation(settings),
        _policy(settings),
        *check_workspace(settings),
        *check_tracking(settings),
        *check_promotions(settings),
    ]


def _policy(settings: Settings) -> Finding:
    try:
        policy = load_policy(settings.policy)
    except SettingsError as error:
        return problem(
            "settings", "policy", str(error), "correct the file, or leave [policy] out to use the default policy"
        )
    return good("settings", "policy", f"{policy.name} {policy.version} ({policy.hash}), {len(policy.rules())} rules")
