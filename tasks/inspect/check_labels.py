"""Check of the labels of people: their clips are stored, and the stored routes follow them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import SHORT_ID
from heterodub.schemas.errors import HeterodubError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect import findings
from heterodub.tasks.inspect.findings import Finding
from heterodub.tasks.labelling.applied import LabelEffect, label_effects
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
    by_effect: dict[LabelEffect, list[tuple[str, Stage]]] = {effect: [] for effect in LabelEffect}
    for key, effect in effects.items():
        by_effect[effect].append(key)
    yield from _findings(by_effect)


def _findings(by_effect: Mapping[LabelEffect, Sequence[tuple[str, Stage]]]) -> Iterator[Finding]:
    gone, waiting = by_effect[LabelEffect.NO_CLIP], by_effect[LabelEffect.WAITING]
    if gone:
        detail = f"{len(gone)} of clips that are not stored any more: {_some(gone)}"
        remedy = "ingest their files again, or take them out: `heterodub label remove CLIP`"
        yield findings.warning("workspace", "labels", detail, remedy)
    if waiting:
        detail = f"{len(waiting)} not applied yet: {_some(waiting)}"
        yield findings.warning("workspace", "labels", detail, "run `heterodub route`")
    if not (gone or waiting):
        unusable = len(by_effect[LabelEffect.UNUSABLE])
        more = f"; {unusable} keep clips that a stage cannot use" if unusable else ""
        yield findings.good("workspace", "labels", f"none is waiting{more}")


def _some(keys: Sequence[tuple[str, Stage]]) -> str:
    more = ", ..." if len(keys) > _EXAMPLES else ""
    return ", ".join(f"{clip[:SHORT_ID]} {stage}" for clip, stage in keys[:_EXAMPLES]) + more
