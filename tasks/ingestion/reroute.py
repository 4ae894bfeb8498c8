"""Routing of everything measured by a new policy and the labels of people: planning its changes, and applying them.

Measurements do not depend on policy, so looking takes seconds and reads no media; applying decodes only files with
clips that are newly admitted.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import ClipReason, FileReason, FileState, Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.ingestion.job import Admission, FileJob
from heterodub.tasks.ingestion.worker import FileResult, work_on
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.quality.routing import overrule, route_columns, with_rights
from heterodub.tasks.quality.sound_shift import correction_frames
from heterodub.tasks.releases.lines import require_extractor
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.folders import files_in_folder
from heterodub.tasks.stores.labels import verdicts_by_clip
from heterodub.tasks.stores.line_labels import labels_of_line
from heterodub.tasks.stores.parts import PartFile, commit_parts, find_part, part_name
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.tasks.ingestion.dask_client import Client

Mask = NDArray[np.bool_]

_FileFacts = tuple[int, float, tuple[int, int | None] | None]
_DECIDED = ["clip_id", "media_id", "stage1", "stage2", "stage1_reasons", "stage2_reasons"]


@dataclass(frozen=True, slots=True, eq=False)
class Reroute:
    """Routes of every stored clip by a policy and by labels, beside those that stand. Masks and `clips` have one entry
    per clip. clips_version: of the table they are from. kept, refused: clips of which a label turns the policy's
    verdict.
    """

    policy: Policy
    clips: pa.Table
    clips_version: int
    before: Mapping[Stage, Mask]
    after: Mapping[Stage, Mask]
    refusals: Mapping[Stage, Mapping[ClipReason, Mask]]
    kept: Mapping[Stage, Mask]
    refused: Mapping[Stage, Mask]

    def newly(self, stage: Stage) -> Mask:
        """Clips that the policy admits to a stage and that were not."""
        return self.after[stage] & ~self.before[stage]

    def no_longer(self, stage: Stage) -> Mask:
        """Clips that were admitted to a stage and are no longer."""
        return self.before[stage] & ~self.after[stage]

    def reason_changes(self, stage: Stage) -> dict[str, tuple[int, int]]:
        """Clips refused for each reason, before and after; only reasons whose count changes."""
        old = Counter(pc.list_flatten(self.clips[f"{stage}_reasons"]).to_pylist())
        new = {str(reason): int(mask.sum()) for reason, mask in self.refusals[stage].items()}
        counts = {reason: (old.get(reason, 0), new.get(reason, 0)) for reason in sorted({*old, *new})}
        return {reason: pair for reason, pair in counts.items() if pair[0] != pair[1]}


def plan_reroute(workspace: Workspace, policy: Policy) -> Reroute:
    """Route every stored clip by `policy` and the standing labels, from measurements alone.

    Raises: WorkspaceError - the workspace cannot be read.
    """
    signals = sorted({rule.signal for rule in policy.rules()})
    version = tables.version(workspace, "clips")
    clips = tables.read(workspace, "clips", [*_DECIDED, *RIGHTS, *signals], version)
    columns = {name: clips[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in signals}
    masks = with_rights(route_columns(columns, policy), clips.select(RIGHTS).to_pylist(), policy)
    for stage in Stage:
        straddles = _holds(clips[f"{stage}_reasons"], ClipReason.STRADDLES_SPLITS)
        masks[stage][ClipReason.STRADDLES_SPLITS] = straddles  # the splits' verdict, which no policy overrules
    said = verdicts_by_clip(labels_of_line(workspace))
    labelled = enumerate(clips["clip_id"].to_pylist()) if said else ()
    final = overrule(masks, clips.num_rows, {place: said[clip] for place, clip in labelled if clip in said})
    before = {stage: clips[stage.value].to_numpy(zero_copy_only=False) for stage in Stage}
    by_policy, after = _admitted(masks), _admitted(final)
    kept = {stage: after[stage] & ~by_policy[stage] for stage in Stage}
    refused = {stage: by_policy[stage] & ~after[stage] for stage in Stage}
    return Reroute(policy, clips.select(_DECIDED), version, before, after, final, kept, refused)


def _admitted(masks: Mapping[Stage, Mapping[ClipReason, Mask]]) -> dict[Stage, Mask]:
    return {stage: ~np.logical_or.reduce(list(masks[stage].values())) for stage in Stage}


def _holds(lists: pa.ChunkedArray, reason: ClipReason) -> Mask:
    mask = np.zeros(len(lists), bool)
    start = 0
    for chunk in lists.chunks:
        hit = pc.equal(pc.list_flatten(chunk), str(reason)).to_numpy(zero_copy_only=False)
        mask[start + pc.list_parent_indices(chunk).to_numpy()[hit]] = True
        start += len(chunk)
    return mask


@dataclass(frozen=True, slots=True)
class Applied:
    """Result of applying a plan: files decoded again, files whose payload an earlier run had left ready, and
    files that could not be decoded, with the reason; clips of those keep the decision they had.
    """

    decoded: int
    found: int
    failed: Mapping[str, MediaRefusedError]


def apply_reroute(
    client: "Client | None", workspace: Workspace, plan: Reroute, settings: Settings, progress: ProgressSink
) -> Applied:
    """Apply the plan. `client` may be None when nothing is newly admitted.

    Order: payload of newly admitted clips, then decisions, then payload that goes, then the policy. A crash in
    between is completed by the same command, which takes up the payload that workers had put in its place by then.

    Raises: WorkspaceError - the store cannot be written, or files of the line in use would have to be decoded by
    another extractor: nothing was done. ValueError - clips are newly admitted and client is None.
    """
    jobs = extraction_jobs(workspace, plan)
    require_extractor(workspace, settings, len(jobs))
    if jobs and client is None:
        raise ValueError(f"{len(jobs)} files hold newly admitted clips: a cluster must decode them")
    failed: dict[str, MediaRefusedError] = {}
    parts: dict[str, list[PartFile]] = {stage.value: [] for stage in Stage}
    ready = {stage.value: files_in_folder(workspace, stage.value) for stage in Stage} if jobs else {}
    left = [job for job in jobs if not _take_up(workspace, job, settings.extractor, ready, parts)]
    progress.phase("extract", len(left))
    work = partial(work_on, settings=settings.rooted(), policy=plan.policy)
    answers = spread(client, work, iter(left), key=lambda job: f"{job.media_id}-{job.suffix}") if client else ()
    for job, result in answers:
        progress.advance()
        done = result if isinstance(result, FileResult) else FileResult(job, None, result)
        if done.analysis is None:
            failed[job.media_id] = done.refusal or MediaRefusedError(FileReason.INTERNAL_ERROR)
        else:
            for table, part in done.analysis.parts.items():
                parts[table].append(part)
    for table, written in parts.items():
        if written:
            commit_parts(workspace, table, written)
    _store_decisions(workspace, plan, frozenset(failed))
    for stage in Stage:
        _drop_unadmitted(workspace, stage)
    set_policy(workspace, plan.policy)
    return Applied(len(left) - len(failed), len(jobs) - len(left), failed)


def _take_up(
    workspace: Workspace,
    job: FileJob,
    extractor: str,
    ready: Mapping[str, Collection[str]],
    parts: Mapping[str, list[PartFile]],
) -> bool:
    """Return True if all payload that the job would make lies ready; then add it to `parts`. ready: files by table."""
    name, admissions = part_name(job.media_id, extractor, job.suffix), (job.admit or {}).values()
    needed = [stage.value for stage in Stage if any(getattr(admission, stage.value) for admission in admissions)]
    if not all(name in ready[table] for table in needed):
        return False
    part_files = {table: find_part(workspace, table, name, job.media_id) for table in needed}
    if whole := all(part_files.values()):
        for table, part in part_files.items():
            parts[table] += [part] if part else []
    return whole


def _drop_unadmitted(workspace: Workspace, stage: Stage) -> None:
    """Remove payload that `clips` does not admit: what the plan dismissed, now or in a run that died before this."""
    clips = tables.read(workspace, "clips", ["clip_id"], filter=pc.field(stage.value))
    stored = tables.read(workspace, stage.value, ["clip_id"])["clip_id"].to_pylist()
    if gone := set(stored) - set(clips["clip_id"].to_pylist()):
        tables.delete_rows(workspace, stage.value, "clip_id", gone)


def extraction_jobs(workspace: Workspace, plan: Reroute) -> list[FileJob]:
    """Build one job for each file with newly admitted clips, naming those clips."""
    newly = plan.newly(Stage.STAGE1) | plan.newly(Stage.STAGE2)
    if not newly.any():
        return []
    names = plan.clips["clip_id"].filter(pa.array(newly))
    columns = ["clip_id", "media_id", "uri", "corpus", "speaker", "av_sync_score", "av_sync_offset_frames"]
    rows = tables.read(workspace, "clips", columns, filter=pc.field("clip_id").isin(names.combine_chunks())).to_pylist()
    admitted = {
        stage: frozenset(plan.clips["clip_id"].filter(pa.array(plan.newly(stage))).to_pylist()) for stage in Stage
    }
    files = _files_of(workspace, {row["media_id"] for row in rows})
    admissions: dict[str, dict[str, Admission]] = {}
    about = {row["media_id"]: row for row in rows}
    for row in rows:
        clip, shift = row["clip_id"], correction_frames(row["av_sync_score"], row["av_sync_offset_frames"])
        admission = Admission(clip in admitted[Stage.STAGE1], clip in admitted[Stage.STAGE2], shift)
        admissions.setdefault(row["media_id"], {})[clip] = admission
    return [
        _job(about[media], files.get(media, (0, 0.0, None)), admit, plan.policy, workspace.line)
        for media, admit in sorted(admissions.items())
    ]


def _job(
    row: Mapping[str, Any], facts: _FileFacts, admit: Mapping[str, Admission], policy: Policy, line: str
) -> FileJob:
    size_bytes, offset_s, streams = facts
    identity = (row["uri"], row["corpus"], row["speaker"], offset_s)
    # named by what is in it: the same policy over other clips of the file, or under another label, is another part
    content = hashlib.sha256(repr((policy.hash, identity, sorted(admit.items()))).encode()).hexdigest()[:12]
    about = (row["uri"], row["media_id"], size_bytes, row["corpus"], row["speaker"], offset_s)
    return FileJob(*about, admit, content, streams, line=line)


def _files_of(workspace: Workspace, media: set[str]) -> dict[str, _FileFacts]:
    """Size, known sound offset and streams in use of the measured file of each media."""
    columns = ["media_id", "size_bytes", "offset_s", "state", "picture_stream", "sound_stream"]
    rows = tables.read(workspace, "catalog", columns, filter=pc.field("media_id").isin(sorted(media))).to_pylist()
    return {
        r["media_id"]: (r["size_bytes"], r["offset_s"], (r["picture_stream"], r["sound_stream"]))
        for r in rows
        if r["state"] == FileState.MEASURED
    }


def _store_decisions(workspace: Workspace, plan: Reroute, failed: frozenset[str]) -> None:
    media = plan.clips["media_id"].to_pylist()
    keep = np.array([name in failed for name in media]) if failed else np.zeros(len(media), bool)
    columns: dict[str, pa.Array] = {"clip_id": plan.clips["clip_id"].combine_chunks()}
    for stage in Stage:
        columns[stage.value] = pa.array(np.where(keep, plan.before[stage], plan.after[stage]))
        names = _reason_lists(plan.refusals[stage])
        if failed:
            old = plan.clips[f"{stage}_reasons"].to_pylist()
            names = [before if is_kept else now for before, now, is_kept in zip(old, names, keep, strict=True)]
        columns[f"{stage}_reasons"] = pa.array(names, pa.list_(pa.string()))
    columns["policy"] = pa.array([plan.policy.hash] * len(media))
    tables.update_columns(workspace, "clips", pa.table(columns))


def _reason_lists(masks: Mapping[ClipReason, Mask]) -> list[list[str]]:
    lists: list[list[str]] = [[] for _ in range(len(next(iter(masks.values()))))]
    for reason in sorted(masks):
        for clip in np.flatnonzero(masks[reason]):
            lists[clip].append(str(reason))
    return lists


def describe(plan: Reroute) -> dict[str, Any]:
    """Summarise the plan: clips admitted before and after, newly and no longer, refusals by reason, and of how many
    clips a label turns the policy's verdict.
    """
    return {
        "clips": plan.clips.num_rows,
        "labels": {
            stage.value: {"kept": int(plan.kept[stage].sum()), "refused": int(plan.refused[stage].sum())}
            for stage in Stage
        },
        "policy": {"name": plan.policy.name, "version": plan.policy.version, "hash": plan.policy.hash},
        **{
            stage.value: {
                "before": int(plan.before[stage].sum()),
                "after": int(plan.after[stage].sum()),
                "newly_admitted": int(plan.newly(stage).sum()),
                "no_longer_admitted": int(plan.no_longer(stage).sum()),
                "reasons": {name: {"before": b, "after": a} for name, (b, a) in plan.reason_changes(stage).items()},
            }
            for stage in Stage
        },
    }


def changed_clips(plan: Reroute) -> list[dict[str, Any]]:
    """List each clip whose route changes, with both routes."""
    moved = np.flatnonzero(np.logical_or.reduce([plan.before[stage] != plan.after[stage] for stage in Stage]))
    ids = plan.clips["clip_id"].take(pa.array(moved)).to_pylist()
    return [
        {"clip_id": clip, "before": _route(plan.before, i), "after": _route(plan.after, i)}
        for clip, i in zip(ids, moved.tolist(), strict=True)
    ]


def _route(masks: Mapping[Stage, Mask], clip: int) -> str:
    first, second = masks[Stage.STAGE1][clip], masks[Stage.STAGE2][clip]
    return "both" if first and second else "stage1" if first else "stage2" if second else "rejected"
