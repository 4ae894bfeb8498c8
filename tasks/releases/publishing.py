"""Publication: splits of speakers, audit of stored rows, and the release that training may read."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from heterodub.schemas.config.settings import Settings, SplitSettings
from heterodub.schemas.display import counted
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import ClipReason
from heterodub.tasks.labelling.applied import LabelEffect, label_effects
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.batches import BATCH_IS_STORED_S
from heterodub.tasks.stores.code_version import code_version
from heterodub.tasks.stores.merging import merge_parts
from heterodub.tasks.stores.parquet import PAYLOAD
from heterodub.tasks.stores.workspace import Workspace

from . import releases
from .erasure import erase_unnamed
from .near_duplicates import NearCopies, find_near_copies
from .splits import assign_splits

if TYPE_CHECKING:
    from .audit.audit import AuditResult

_LOG = logging.getLogger(__name__)

_AUDITS: Final = 5
"""Audits at most of one publish, while others write."""

_READ: Final = [
    "clip_id", "media_id", "speaker", "frames", "picture_hash", "sound_hash", "face_motion", "av_sync_score",
    "stage1", "stage2", "stage1_reasons", "stage2_reasons", "split", "split_group", "near_copy_of", "same_scene_as",
]  # fmt: skip
_OWNED: Final = _READ[8:]
"""Columns that are set here."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The newest release after a run; None as long as no clip was ever stored."""

    release_id: str | None
    is_new: bool
    notes: tuple[str, ...] = ()


def publish(
    workspace: Workspace, settings: Settings, policy: Policy, show: "Callable[[AuditResult], None] | None" = None
) -> PublishResult:
    """Divide speakers, audit the newest versions of all tables and publish them, if anything changed.

    Another ingest may be half way through a batch, or have added clips that nobody has divided yet; that is no
    damage. So what fails an audit is audited again where others write. `show` gets the last audit's result,
    passed or not.

    Raises: AuditFailedError - a row broke an expectation; nothing is published, and the text names rows.
    WorkspaceError - the store cannot be written.
    """
    last, code = releases.latest(workspace), code_version()
    if last and last.code == code and _stands(last, releases.current_versions(workspace), settings, policy):
        return PublishResult(last.release_id, False, last.notes)  # the same rows, divided by the same code
    for left in reversed(range(_AUDITS)):
        assignment = assign(workspace, settings.splits)
        for table in ("catalog", "clips"):
            tables.compact(workspace, table)
        versions = releases.current_versions(workspace)
        if last and _stands(last, versions, settings, policy):
            return PublishResult(last.release_id, False, last.notes)
        clips = tables.read(workspace, "clips", ["backend", "extractor"], versions["clips"])
        if not clips.num_rows:
            return PublishResult(None, False, ("no clip was stored, so there is nothing to publish",))
        from .audit.audit import audit

        with audit_pages(workspace) as folder:
            result = audit(workspace, versions, folder, settings.clips, last)
        if result.passed or not left or not _others_write(workspace, versions):
            break
        _LOG.info("the audit met rows that another run is writing; once more, %d times at most", left)
    if show is not None:
        show(result)
    result.require()
    versions |= {table: merge_parts(workspace, table, versions[table]) for table in PAYLOAD}
    origin = releases.ReleaseProvenance(
        backend=clips["backend"][0].as_py(),
        extractor=clips["extractor"][0].as_py(),
        policy=policy.hash,
        settings=settings.hash,
        code=code,
    )
    notes = (*assignment.notes, *_of_labels(workspace, policy))
    published = releases.publish(workspace, versions, origin, result.summary(), notes)
    erase_unnamed(workspace, settings.stores.retention_days)
    return PublishResult(published.release.release_id, published.changed, published.release.notes)


def _of_labels(workspace: Workspace, policy: Policy) -> tuple[str, ...]:
    waiting = sum(effect is LabelEffect.WAITING for effect in label_effects(workspace, policy).values())
    return (f"{counted(waiting, 'label')} not applied yet: `heterodub route` does",) if waiting else ()


def _others_write(workspace: Workspace, versions: Mapping[str, int]) -> bool:
    time.sleep(BATCH_IS_STORED_S)
    return releases.current_versions(workspace) != versions


def _stands(last: releases.Release, versions: Mapping[str, int], settings: Settings, policy: Policy) -> bool:
    """Return True if these versions, published by these settings and policy, would be the last release."""
    return last.versions == versions and (last.policy, last.settings) == (policy.hash, settings.hash)


@contextmanager
def audit_pages(workspace: Workspace) -> Iterator[Path]:
    """Provide a folder for the audit's pages, which are the workspace's when the block ends.

    They are written as files. Those of a remote workspace are made in a folder of this audit alone, since another one
    deletes the pages that it did not make.
    """
    if workspace.is_local:
        yield Path(workspace.folder("audit"))
        return
    with tempfile.TemporaryDirectory(prefix="audit-", dir=workspace.scratch()) as place:
        yield Path(place)
        # the slash: without it fsspec makes a folder within the folder, once there is one
        workspace.filesystem().put(f"{place}/", workspace.path("audit"), recursive=True)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Number of changed rows, and notes on the splits for readers of the release."""

    changed: int
    notes: tuple[str, ...]


def assign(workspace: Workspace, settings: SplitSettings) -> Assignment:
    """Update splits, split groups and near-copies of all clips. A second call changes nothing.

    Raises: WorkspaceError - the store cannot be written.
    """
    clips = tables.read(workspace, "clips", _READ)
    copies = find_near_copies(clips)
    pairs = list(zip(copies.pairs["a"], copies.pairs["b"], strict=True))
    plan = assign_splits(clips, pairs, settings)
    straddlers = frozenset(plan.straddlers)
    changed = [
        new for row in clips.to_pylist() if (new := _row(row, plan.split, plan.group, copies, straddlers)) is not None
    ]
    if changed:
        schema = pa.schema([clips.schema.field(name) for name in ("clip_id", *_OWNED)])
        tables.update_columns(workspace, "clips", pa.Table.from_pylist(changed, schema=schema))
    for table in ("stage1", "stage2"):
        if straddlers:
            tables.delete_rows(workspace, table, "clip_id", straddlers)
    return Assignment(len(changed), plan.notes)


def _row(
    row: dict[str, object],
    splits: Mapping[str, str],
    groups: Mapping[str, str],
    copies: NearCopies,
    straddlers: frozenset[str],
) -> dict[str, object] | None:
    """Return the clip's row as it should be, or None when it is so already."""
    clip = str(row["clip_id"])
    new = {name: row[name] for name in ("clip_id", *_OWNED)}
    new |= {"split": splits[clip], "split_group": groups[clip], "near_copy_of": copies.near_copy_of.get(clip)}
    new["same_scene_as"] = copies.same_scene_as.get(clip)
    if clip in straddlers:
        for stage in ("stage1", "stage2"):
            reasons = {*row[f"{stage}_reasons"], str(ClipReason.STRADDLES_SPLITS)}  # type: ignore[misc]
            new |= {stage: False, f"{stage}_reasons": sorted(reasons)}
    return new if any(new[name] != row[name] for name in _OWNED) else None
