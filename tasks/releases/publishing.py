"""Publication: splits of speakers, audit of stored rows, and the release that training may read."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.config.sections import SplitSettings
from heterodub.schemas.config.settings import ClipSettings, Settings
from heterodub.schemas.display import counted
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.expectations import suites
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import ClipReason
from heterodub.tasks.identity import people as identities
from heterodub.tasks.identity.units import joins_of, straddlers_noted, with_columns, with_units
from heterodub.tasks.labelling.applied import LabelEffect, label_effects
from heterodub.tasks.stores import standby, tables
from heterodub.tasks.stores.batches import BATCH_IS_STORED_S
from heterodub.tasks.stores.code_version import code_version
from heterodub.tasks.stores.line_labels import carry_labels
from heterodub.tasks.stores.merging import merge_parts
from heterodub.tasks.stores.parquet import PAYLOAD
from heterodub.tasks.stores.workspace import Workspace

from . import lines, releases, rights
from .clusters import CLUSTERS, drop_stale, update_clusters
from .erasure import erase_unnamed
from .release_content import ReleaseProvenance
from .splits import assign_splits

if TYPE_CHECKING:
    from .audit.audit import AuditResult

_LOG = logging.getLogger(__name__)

_AUDITS: Final = 5
"""Audits at most of one publish, while others write."""

_NOT_ROUTED: Final = "clips of the new line were routed by an earlier policy: `heterodub route` routes them, too"

_BEGUN: Final = (
    "nothing was published, since a switch to line {} was begun: publishing by its version and settings finishes it"
)

Switch = Literal["when_whole", "now", "never"]
"""Condition on which a line that stands by takes the place of the one in use."""

_TAKEN_DOWN: Final = (
    "nothing was published, since footage that was taken down is still stored: do the takedown again, or any other; it "
    "finishes what an earlier one left"
)

_READ: Final = [
    *identities.READ, "stage1", "stage2", "stage1_reasons", "stage2_reasons", "split", "split_group", *CLUSTERS,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The newest release after a run; None as long as no clip was ever stored."""

    release_id: str | None
    is_new: bool
    notes: tuple[str, ...] = ()


def publish(
    workspace: Workspace,
    settings: Settings,
    policy: Policy,
    show: "Callable[[AuditResult], None] | None" = None,
    switch: Switch = "when_whole",
) -> PublishResult:
    """Divide speakers, audit the newest versions of all tables and publish them, if anything changed.

    Where the settings' extractor has a line that stands by, and it is whole, that line is audited, takes the place of
    the one in use, and is published. Until then the line in use is, and a note says what is missing. switch: "now"
    publishes the new line all the same, and what is missing in it leaves the workspace; "never" the one in use.

    Another ingest may be half way through a batch, or have added clips that nobody has divided yet; that is no
    damage. So what fails an audit is audited again where others write, and so is what holds footage that was taken down
    since. If that is still stored then, nothing is published, and a note says why. `show` gets the last audit's result,
    passed or not.

    Raises: AuditFailedError - a row broke an expectation, or is admitted against the policy's rights; nothing is
    published, and the text names rows.
    WorkspaceError - the store cannot be written. NotFoundError - files of the newest versions are lost.
    """
    for wait_s in (BATCH_IS_STORED_S, 0):
        try:
            if published := _publish(workspace, settings, policy, show, switch):
                return published
        except NotFoundError:  # a takedown has erased files of the versions that were audited
            if not wait_s:
                raise
        time.sleep(wait_s)  # a takedown deletes rows now, unless it was killed
    _LOG.warning(_TAKEN_DOWN)
    last = releases.latest(workspace)
    return PublishResult(last.release_id if last else None, False, (_TAKEN_DOWN,))


@dataclass(frozen=True, slots=True)
class _Source:
    """Line that is to be published: its tables, the clip settings and the hash of the settings that it was made by, and
    notes on another line.
    """

    tables: Workspace
    clips: ClipSettings
    settings: str
    notes: tuple[str, ...] = ()

    @classmethod
    def chosen(
        cls,
        workspace: Workspace,
        settings: Settings,
        policy: Policy,
        switch: Switch,
        last: releases.Release | None,
    ) -> Self:
        line = lines.line_beside(workspace, settings.extractor, last.extractor if last else None)
        progress = lines.progress_of(workspace, line.line) if line.line else None
        if progress is None or last is None:
            return cls(workspace, settings.clips, settings.hash)
        is_ready = progress.clips if switch == "now" else progress.is_whole and switch == "when_whole"
        is_routed = progress.policies == (policy.hash,)
        if is_ready and is_routed:
            return cls(line, settings.clips, settings.hash)
        notes = (progress.words(), *([] if is_routed or not progress.clips else [_NOT_ROUTED]))
        return cls(workspace, lines.ANY_CLIPS, last.settings, notes)

    def is_last(self, last: releases.Release | None, versions: Mapping[str, int], policy: Policy) -> bool:
        """Return True if these versions, published by these settings and policy, would be the last release."""
        if last is None or self.tables.line:
            return False
        return last.same_at == versions and (last.policy, last.settings) == (policy.hash, self.settings)


def _publish(
    workspace: Workspace,
    settings: Settings,
    policy: Policy,
    show: "Callable[[AuditResult], None] | None",
    switch: Switch,
) -> PublishResult | None:
    """Audit and publish as `publish`; None if what was audited holds footage that was taken down."""
    last, code = releases.latest(workspace), code_version()
    source = _Source.chosen(workspace, settings, policy, switch, last)
    line = source.tables
    if last and last.code == code and source.is_last(last, releases.current_versions(line), policy):
        return PublishResult(last.release_id, False, last.notes + source.notes)  # as divided by the same code
    if last and not line.line and (begun := standby.begun_switch(line, last.extractor)):
        return PublishResult(last.release_id, False, (_BEGUN.format(begun), *source.notes))
    if line.line:
        carry_labels(line)
    for left in reversed(range(_AUDITS)):
        assignment = assign(line, settings.splits, settings.identity.embeddings)
        for table in ("catalog", "clips"):
            tables.compact(line, table)
        versions = releases.current_versions(line)
        if last and source.is_last(last, versions, policy):
            return PublishResult(last.release_id, False, last.notes + source.notes)
        clips = tables.read(line, "clips", ["backend", "extractor", *rights.COLUMNS], versions["clips"])
        if not clips.num_rows:
            return PublishResult(None, False, ("no clip was stored, so there is nothing to publish", *source.notes))
        lines.require_one(line, clips, versions["catalog"])
        rights.require_rights(clips, policy)
        from .audit.audit import audit
        from .audit.audited_files import checks_ids, keep_merged

        with audit_pages(workspace) as folder:
            result = audit(line, versions, folder, source.clips)
        if result.passed or not left or not _others_write(line, versions):
            break
        _LOG.info("the audit met rows that another run is writing; once more, %d times at most", left)
    if show is not None:
        show(result)
    result.require()
    origin = ReleaseProvenance(
        backend=clips["backend"][0].as_py(),
        extractor=clips["extractor"][0].as_py(),
        policy=policy.hash,
        settings=source.settings,
        code=code,
    )
    standing_by = standby.files_of_line(line, versions) if line.line else {}
    if standing_by:
        switched = lines.switch_to(line, versions, standing_by)
        if switched is None:
            return None
        versions |= switched
    if last is None or releases.identity_of_versions(workspace, versions, origin) != last.release_id:
        checks = checks_ids(suites(source.clips))
        versions |= {
            table: merge_parts(workspace, table, versions[table], partial(keep_merged, workspace, table, checks[table]))
            for table in PAYLOAD
        }
    notes = (*assignment.notes, *_of_labels(workspace, policy))
    published = releases.publish(workspace, versions, origin, result.summary(), notes)
    if published is None:
        return None
    if not published.changed:
        releases.note_same(workspace, published.release, versions)
    if standing_by:
        standby.clear(line, standing_by)
    erase_unnamed(workspace, settings.stores.retention_days)
    return PublishResult(published.release.release_id, published.changed, published.release.notes + source.notes)


def _of_labels(workspace: Workspace, policy: Policy) -> tuple[str, ...]:
    waiting = sum(effect is LabelEffect.WAITING for effect in label_effects(workspace, policy).values())
    return (f"{counted(waiting, 'label')} not applied yet: `heterodub route` does",) if waiting else ()


def _others_write(workspace: Workspace, versions: Mapping[str, int]) -> bool:
    time.sleep(BATCH_IS_STORED_S)
    return releases.current_versions(workspace) != versions


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


def assign(workspace: Workspace, settings: SplitSettings, find_people: bool = True) -> Assignment:
    """Update people, splits and near-copies of all clips. A second call changes nothing. find_people: of new clips.

    Raises: WorkspaceError - the store cannot be written.
    """
    files = tables.files_of(workspace, "clips")
    clips = tables.read(workspace, "clips", _READ, files).combine_chunks()
    copies = update_clusters(workspace, clips, files)
    people = identities.find_people(workspace, clips, copies.columns["near_copy_of"], find_people)
    divided = with_units(with_columns(clips, people.columns))
    divided = lines.with_known_splits(workspace, divided) if workspace.line else divided
    plan = assign_splits(divided, copies.pairs, settings, joins_of(divided, people.corrections))
    refused = pc.is_in(clips["clip_id"], pa.array(plan.straddlers, pa.string()))
    columns = {**copies.columns, **people.columns, **plan.columns(divided), **_refusals(clips, refused)}
    changed = pc.fill_null(reduce(pc.or_, (_differs(clips[name], new) for name, new in columns.items())), False)
    changes = pa.table({"clip_id": clips["clip_id"], **columns}).filter(changed)
    if changes.num_rows:
        tables.update_columns(workspace, "clips", changes)
    drop_stale(workspace, copies)
    for table in ("stage1", "stage2"):
        if plan.straddlers and changes.num_rows:
            tables.delete_rows(workspace, table, "clip_id", frozenset(plan.straddlers))
    return Assignment(changes.num_rows, (*plan.notes, *people.notes, *straddlers_noted(with_columns(clips, columns))))


def _refusals(clips: pa.Table, refused: pa.ChunkedArray) -> dict[str, pa.Array]:
    """Return flags and reasons of both stages, with the clips that are refused here."""
    if not pc.any(refused).as_py():
        return {}
    columns = {}
    for stage in ("stage1", "stage2"):
        columns[stage] = pc.and_(clips[stage], pc.invert(refused)).combine_chunks()
        reasons = clips[f"{stage}_reasons"].to_pylist()
        for row in pc.indices_nonzero(refused).to_pylist():
            reasons[row] = sorted({*reasons[row], str(ClipReason.STRADDLES_SPLITS)})
        columns[f"{stage}_reasons"] = pa.array(reasons, pa.list_(pa.string()))
    return columns


def _differs(old: pa.ChunkedArray, new: pa.Array) -> pa.Array:
    if pa.types.is_list(new.type):
        old, new = pc.list_value_length(old), pc.list_value_length(new)
    same = pc.fill_null(pc.equal(old.combine_chunks(), new), False)
    return pc.invert(pc.or_(same, pc.and_(pc.is_null(old.combine_chunks()), pc.is_null(new))))
