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
from heterodub.tasks.identity.stored import count_embeddings, notes
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
    catalog = tables.read(workspace, "catalog", ["state", "reason"])
    first, second = clips["stage1"], clips["stage2"]
    states = _counts(catalog["state"])
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
        "disputed": list(_disputed(workspace)) if tally.reasons[_DISPUTE] else [],
        "state": "partial" if tally.reasons[_DISPUTE] else "done",
        "notes": [
            *_losses(plan),
            *_unknown_licences(plan, policy),
            *notes(count_embeddings(workspace)),
            *published.notes,
        ],
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


def _disputed(workspace: Workspace) -> Iterator[str]:
    """List files of equal bytes whose labels contradict each other, and how; no more than a screen of them."""
    is_disputed = pc.field("reason") == FileReason.LABELS_DISAGREE.value
    rows = tables.read(workspace, "catalog", ["uri", "error"], filter=is_disputed).sort_by("uri")
    for row in rows.slice(0, _SHOWN).to_pylist():
        yield f"{row['uri']}: {row['error']}"
    if rows.num_rows > _SHOWN:
        left = rows.num_rows - _SHOWN
        yield f"and {left} more files; `heterodub list --reason {FileReason.LABELS_DISAGREE}` shows all"


def _count(flags: Any) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _reasons(clips: pa.Table, catalog: pa.Table) -> Counter[str]:
    counts = Counter({f"file: {reason}": count for reason, count in _counts(catalog["reason"]).items()})
    for stage in ("stage1", "stage2"):
        refusals = _counts(pc.list_flatten(clips[f"{stage}_reasons"]))
        counts.update({f"{stage}: {reason}": count for reason, count in refusals.items()})
    return counts


def _counts(values: pa.ChunkedArray) -> Counter[str]:
    """Numbers of equal values, in the order in which they first come; nulls are left out."""
    counted_values = pc.value_counts(values.drop_null())
    return Counter(dict(zip(*(counted_values.field(name).to_pylist() for name in ("values", "counts")), strict=True)))
