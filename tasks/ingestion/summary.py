"""Summary of an ingest."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import counted
from heterodub.schemas.licences import suggestion
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.tasks.ingestion.plan import IngestPlan
from heterodub.tasks.ingestion.tally import Tally
from heterodub.tasks.monitoring.drift import CorpusDrift
from heterodub.tasks.releases.publishing import PublishResult
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_SHOWN: Final = 20
_EXAMPLES: Final = 5
_DISPUTE: Final = f"file: {FileReason.LABELS_DISAGREE}"


def summarise(
    workspace: Workspace,
    plan: IngestPlan,
    tally: Tally,
    drifts: Sequence[CorpusDrift],
    published: PublishResult,
    policy: Policy,
    seconds: float,
) -> dict[str, Any]:
    """Summarise the workspace and this run. `drift` holds the warnings, a sentence a corpus, and
    `disputed` which files were refused because the listing contradicts itself about equal bytes.

    `clips`, `stage1`, `stage2`, `both`, `rejected` and `reasons` count clips of the workspace (`reasons` counts files
    too); `media_seconds` and `realtime_factor` are of this run alone.
    """
    clips = tables.read(workspace, "clips", ["stage1", "stage2", "stage1_reasons", "stage2_reasons"])
    catalog = tables.read(workspace, "catalog", ["uri", "state", "reason", "error"])
    first, second = clips["stage1"], clips["stage2"]
    states = Counter(catalog["state"].to_pylist())
    return {
        "files": catalog.num_rows,
        "new_files": len(plan.fresh),
        "relabelled_files": len(plan.relabelled),
        "unchanged_files": plan.unchanged,
        "taken_down_files": plan.taken_down + tally.taken_down,
        "measured": states[FileState.MEASURED],
        "rejected_files": states[FileState.REJECTED],
        "duplicates": states[FileState.DUPLICATE],
        "quarantined": states[FileState.QUARANTINED],
        "clips": clips.num_rows,
        "stage1": _count(first),
        "stage2": _count(second),
        "both": _count(pc.and_(first, second)),
        "rejected": _count(pc.invert(pc.or_(first, second))),
        "reasons": dict(_reasons(clips, catalog).most_common()),
        "media_seconds": round(tally.media_s, 2),
        "seconds": round(seconds, 2),
        "realtime_factor": round(tally.media_s / seconds, 2) if tally.media_s else None,
        "release": published.release_id,
        "release_is_new": published.is_new,
        "drift": [warning for drift in drifts if (warning := drift.warning())],
        "disputed": list(_disputed(catalog)) if tally.reasons[_DISPUTE] else [],
        "state": "partial" if tally.reasons[_DISPUTE] else "done",
        "notes": [*_losses(plan), *_unknown_licences(plan, policy), *published.notes],
    }


def _losses(plan: IngestPlan) -> list[str]:
    """Say which labels are gone: the newest listing decides, and it may have been the wrong one."""
    if not plan.speakers_lost:
        return []
    lost = counted(plan.speakers_lost, "file")
    return [f"{lost} had a speaker, whom this listing does not name: ingest the manifest that does to have them again"]


def _unknown_licences(plan: IngestPlan, policy: Policy) -> list[str]:
    """Name the licences of this run's files that no rule can allow but by their very words."""
    stated = {raw.licence for raw in (*plan.fresh, *plan.relabelled) if raw.licence}
    unknown = sorted(licence for licence in stated if not policy.rights.is_known(licence))
    if not unknown:
        return []
    named = [f"{text!r}" + (f" ({near}?)" if (near := suggestion(text)) else "") for text in unknown[:_EXAMPLES]]
    more = f" and {len(unknown) - _EXAMPLES} more" if len(unknown) > _EXAMPLES else ""
    return [f"no SPDX expression and no house licence of the policy: {', '.join(named)}{more}"]


def _disputed(catalog: pa.Table) -> Iterator[str]:
    """List files of equal bytes whose labels contradict each other, and how; no more than a screen of them."""
    rows = catalog.filter(pc.equal(catalog["reason"], FileReason.LABELS_DISAGREE.value)).sort_by("uri")
    for row in rows.slice(0, _SHOWN).to_pylist():
        yield f"{row['uri']}: {row['error']}"
    if rows.num_rows > _SHOWN:
        left = rows.num_rows - _SHOWN
        yield f"and {left} more files; `heterodub list --reason {FileReason.LABELS_DISAGREE}` shows all"


def _count(flags: Any) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _reasons(clips: Any, catalog: Any) -> Counter[str]:
    counts: Counter[str] = Counter(f"file: {reason}" for reason in catalog["reason"].to_pylist() if reason)
    for stage in ("stage1", "stage2"):
        counts.update(f"{stage}: {reason}" for reasons in clips[f"{stage}_reasons"].to_pylist() for reason in reasons)
    return counts
