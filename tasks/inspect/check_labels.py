"""Check of the labels of people: their clips are stored, and the stored routes follow them."""

from collections.abc import Iterator, Sequence
from typing import Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import SHORT_ID
from heterodub.schemas.errors import HeterodubError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect import findings
from heterodub.tasks.inspect.findings import Finding
from heterodub.tasks.labelling.applied import label_effects
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.workspace import Workspace

_EXAMPLES: Final = 3


def check_labels(ws: Workspace, settings: Settings) -> Iterator[Finding]:
    """Check that labels are of clips that are stored, and are applied; a label of no clip is a warning."""
    try:
        policy = policy_in_force(ws, settings)
    except HeterodubError:
        return  # the policy is checked by itself
    try:
        effects = label_effects(ws, policy)
    except HeterodubError as error:
        yield findings.problem("workspace", "labels", str(error), "restore the workspace from a copy")
        return
    if effects.homeless:
        detail = f"{len(effects.homeless)} of clips that are not stored any more: {_some(effects.homeless)}"
        remedy = "ingest their files again, or take them out: `heterodub label remove CLIP`"
        yield findings.warning("workspace", "labels", detail, remedy)
    if effects.unrouted:
        detail = f"{len(effects.unrouted)} not applied yet: {_some(effects.unrouted)}"
        yield findings.warning("workspace", "labels", detail, "run `heterodub route`")
    if not (effects.homeless or effects.unrouted):
        unusable = f"; {len(effects.unusable)} keep clips that a stage cannot use" if effects.unusable else ""
        yield findings.good("workspace", "labels", f"none is waiting{unusable}")


def _some(keys: Sequence[tuple[str, Stage]]) -> str:
    more = ", ..." if len(keys) > _EXAMPLES else ""
    return ", ".join(f"{clip[:SHORT_ID]} {stage}" for clip, stage in keys[:_EXAMPLES]) + more
