"""Driver of an ingest: identify files, analyse each content once, count and commit finished work batch by batch.

Plain code over plain parts; tasks/steps/ingest.py makes Prefect tasks of it. A crash at any point leaves tables that
the next run completes to the same rows.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import RawFile
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.dask_executor import spread
from heterodub.tasks.ingestion.deduplication import merge_twins, store_resolution
from heterodub.tasks.ingestion.hashing import Identified, batched, identify_files
from heterodub.tasks.ingestion.job import Analysis, FileJob
from heterodub.tasks.ingestion.sandbox import warn_of_missing
from heterodub.tasks.ingestion.worker import FileResult, work_on
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.monitoring.spans import file_span
from heterodub.tasks.releases.barred import Barred
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.batches import BATCH_IS_STORED_S, FileBatch, KnownMedia, commit_batch, drop_media, orphans
from heterodub.tasks.stores.labels import VerdictsByClip, labels_by_media, read_labels
from heterodub.tasks.stores.parts import PartFile
from heterodub.tasks.stores.removal import remove
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.tasks.ingestion.dask_executor import Client
_ROUTES = ("both", "stage1", "stage2", "rejected")


@dataclass(slots=True)
class Tally:
    """Counts of a run so far, and the work ahead. reasons: "file: no_face", "stage1: noisy", ...; taken_down: files
    that were left out, since a takedown bars their content.
    """

    files: int = 0
    files_done: int = 0
    bytes: int = 0
    bytes_done: int = 0
    media_s: float = 0.0
    taken_down: int = 0
    states: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1; by bytes, since large files come first."""
        return self.bytes_done / max(1, self.bytes)

    @property
    def routes_text(self) -> str:
        """Clips of each route, in words."""
        return "  ".join(f"{route} {self.routes[route]}" for route in _ROUTES)


_LOG = logging.getLogger(__name__)

_SLICE_BYTES = 256 * 2**30
_SLICE_FILES = 20_000
"""So much is identified, then analysed, before more is read: a run over terabytes has clips within the hour, and one
that is killed has not read everything for nothing."""

_COMPACT_ABOVE_FILES = 64
"""Every commit adds files to the small tables and looks into those that are there; their number must not grow with
the corpus."""


@dataclass(slots=True)
class _Pending:
    """Finished work that is not stored yet."""

    media: set[str] = field(default_factory=set)
    rows: list[catalog.Row] = field(default_factory=list)
    clips: list[pa.Table] = field(default_factory=list)
    parts: dict[str, list[PartFile]] = field(default_factory=lambda: {"stage1": [], "stage2": []})
    since: float = field(default_factory=time.monotonic)

    def take(self, media_id: str, row: catalog.Row, analysis: Analysis | None) -> None:
        self.media.add(media_id)
        self.rows.append(row)
        if analysis is not None:
            self.clips.append(analysis.clips)
            for table, part in analysis.parts.items():
                self.parts[table].append(part)

    def batch(self) -> FileBatch:
        clips = pa.concat_tables(self.clips) if self.clips else CLIPS.empty_table()
        rows = catalog.catalog_table(self.rows)
        return FileBatch(frozenset(self.media), rows, clips, self.parts["stage1"], self.parts["stage2"])


def work_through(
    client: "Client",
    workspace: Workspace,
    files: Collection[RawFile],
    settings: Settings,
    policy: Policy,
    progress: ProgressSink,
    labelled: Collection[str] = frozenset(),
) -> Tally:
    """Identify and analyse files, slice by slice, and store the outcome of every one; return what was done.

    labelled: uris that the same listing names besides, with labels that the catalog knows.

    Raises: WorkspaceError - the store cannot be written. WeightsMissingError - the landmark backend has no weights.
    """
    settings = settings.rooted()
    warn_of_missing()
    tally = Tally(files=len(files), bytes=sum(raw.size_bytes for raw in files))
    run = _IngestRun(client, workspace, settings, policy, progress, tally)
    named, barred = set(labelled), tombstones.standing(workspace).media
    catalog_rows = catalog.read_catalog(workspace)
    for part in slices(files, catalog_rows):
        run.analyse(identify_files(client, part, catalog_rows, settings, progress, barred, named), part, catalog_rows)
        merge_twins(workspace, settings)
        named.update(raw.uri for raw in part)
        catalog_rows = catalog.read_catalog(workspace)
    return tally


def slices(files: Collection[RawFile], catalog_rows: catalog.Catalog) -> Iterator[list[RawFile]]:
    """Yield the files in the order of their names, in batches of a bounded size.

    Those that the catalog knows come first and together: only then is it sure which file stands for which content,
    and the same rows come out however the rest is cut.
    """
    ordered = sorted(files, key=lambda raw: raw.uri)
    fresh = (raw for raw in ordered if raw.uri not in catalog_rows)
    return batched(fresh, _SLICE_FILES, _SLICE_BYTES, first=[raw for raw in ordered if raw.uri in catalog_rows])


@dataclass(slots=True)
class _IngestRun:
    """A run's means, and what it has done."""

    client: "Client"
    workspace: Workspace
    settings: Settings
    policy: Policy
    progress: ProgressSink
    tally: Tally

    def analyse(self, files: Identified, part: Sequence[RawFile], catalog_rows: catalog.Catalog) -> None:
        """Analyse each content of a slice once, and store the outcome of all of its files."""
        originals, tally = files.resolution.originals, self.tally
        tally.taken_down += files.taken_down
        tally.files -= len(part) - len(originals)
        tally.bytes -= sum(raw.size_bytes for raw in part) - sum(raw.size_bytes for raw in originals.values())
        known_media = KnownMedia(self.workspace)
        before = frozenset(known_media.media)
        pending = self._analysed(originals, known_media)
        unread = [
            catalog.refused_row(raw, self.settings.extractor, refusal)
            for raw, refusal in files.refused
            if raw.uri in files.resolution.gone or not _may_still_hold(catalog_rows.get(raw.uri), refusal)
        ]
        pending.rows += unread
        if pending.rows:
            self._store(pending, known_media)
        copies = store_resolution(self.workspace, files.resolution, catalog_rows, self.settings.extractor)
        count_states(tally, [*unread, *copies])
        if gone := before & orphans(self.workspace):
            drop_media(self.workspace, gone)

    def _analysed(self, originals: Mapping[str, RawFile], known_media: KnownMedia) -> _Pending:
        """Analyse the files, large ones first; return what is not stored yet."""
        self.progress.phase("analyse", self.tally.files, self.tally.files_done, self.tally.share)
        barred, limits, pending = Barred.standing(self.workspace), self.settings.run, _Pending()
        largest = sorted(originals.items(), key=lambda item: -item[1].size_bytes)
        labels = labels_by_media(read_labels(self.workspace))
        jobs = [_job(raw, media_id, self.policy, labels.get(media_id, {})) for media_id, raw in largest]
        work = partial(work_on, settings=self.settings, policy=self.policy)
        for job, result in spread(self.client, work, jobs, key=lambda job: job.media_id):
            done = result if isinstance(result, FileResult) else FileResult(job, None, result)
            raw = originals[job.media_id]
            if done.analysis is not None and (takedown := barred.takedown_of(done.analysis.clips)):
                # by its id: log lines reach Prefect's database, whose readers must not learn who was taken down
                _LOG.warning("media %s is a copy of footage that was taken down (%s): left out", job.media_id, takedown)
                _keep_out(self.workspace, done.analysis, raw, takedown, job.media_id)
                self.tally.files, self.tally.bytes = self.tally.files - 1, self.tally.bytes - raw.size_bytes
                self.tally.taken_down += 1
                continue
            row = _row_of(raw, self.settings.extractor, done)
            pending.take(job.media_id, row, done.analysis)
            count_states(self.tally, [row])
            _count(self.tally, raw, done)
            if done.began_ns:
                file_span(done.began_ns, done.ended_ns, media=job.media_id, state=row["state"], bytes=raw.size_bytes)
            self.progress.advance(self.tally.routes_text, self.tally.share)
            if len(pending.rows) >= limits.commit_files or time.monotonic() - pending.since > limits.commit_s:
                self._store(pending, known_media)
                pending = _Pending()
        return pending

    def _store(self, pending: _Pending, known_media: KnownMedia) -> None:
        commit_batch(self.workspace, pending.batch(), known_media)
        for table in ("catalog", "clips"):
            tables.compact(self.workspace, table, _COMPACT_ABOVE_FILES)


def _keep_out(workspace: Workspace, analysis: Analysis, raw: RawFile, takedown: str, media_id: str) -> None:
    """Bar a copy's content, so that it is not decoded again, and take out what is or was about to be stored of it."""
    tombstones.bar_copy(workspace, takedown, media_id)
    for table, part in analysis.parts.items():
        if part.name not in tables.file_names(workspace, table):
            remove(workspace, table, part.name)
    tables.delete_rows(workspace, "catalog", "uri", [raw.uri])
    drop_media(workspace, {media_id})


def drop_leftovers(workspace: Workspace) -> None:
    """Remove rows of contents that no file stands for: a run that died had no time to.

    Twice looked at: at first sight it may be half a batch that another ingest is storing.
    """
    if seen := orphans(workspace):
        time.sleep(BATCH_IS_STORED_S)
        if gone := seen & orphans(workspace):
            drop_media(workspace, gone)


def _may_still_hold(row: catalog.Row | None, refusal: MediaRefusedError) -> bool:
    """Return True if a measured file merely cannot be read now. Its rows stay: a share that is down costs no clips."""
    if row is None or row["state"] != FileState.MEASURED or refusal.reason not in catalog.RETRIED:
        return False
    _LOG.warning("%s cannot be read (%s); what was measured of it is kept", row["uri"], refusal)
    return True


def _job(raw: RawFile, media_id: str, policy: Policy, labels: VerdictsByClip) -> FileJob:
    # parts of other content must not share a name: a release may still hold the old one
    content = f"{policy.hash} {raw.offset_s}" + (f" {sorted(labels.items())}" if labels else "")
    suffix = hashlib.sha256(content.encode()).hexdigest()[:12]
    speaker = catalog.speaker_key(raw, media_id)
    return FileJob(raw.uri, media_id, raw.size_bytes, raw.corpus, speaker, raw.offset_s, suffix=suffix, labels=labels)


def _row_of(raw: RawFile, extractor: str, done: FileResult) -> catalog.Row:
    if done.analysis is not None:
        return catalog.analysed_row(raw, extractor, done.job.media_id, done.analysis)
    refusal = done.refusal or MediaRefusedError(FileReason.INTERNAL_ERROR, "no result and no reason")
    return catalog.refused_row(raw, extractor, refusal, done.job.media_id)


def count_states(tally: Tally, rows: Iterable[catalog.Row]) -> Tally:
    """Count how files ended; return the tally."""
    for row in rows:
        tally.states[row["state"]] += 1
        if row["reason"] is not None:
            tally.reasons[f"file: {row['reason']}"] += 1
    return tally


def _count(tally: Tally, raw: RawFile, done: FileResult) -> None:
    tally.files_done += 1
    tally.bytes_done += raw.size_bytes
    if done.analysis is None:
        return
    tally.media_s += done.analysis.media_s
    for stage in ("stage1", "stage2"):
        refusals = pc.list_flatten(done.analysis.clips[f"{stage}_reasons"]).to_pylist()
        tally.reasons.update(f"{stage}: {reason}" for reason in refusals)
    first, second = (done.analysis.clips[stage].to_pylist() for stage in ("stage1", "stage2"))
    for stage1, stage2 in zip(first, second, strict=True):
        tally.routes["both" if stage1 and stage2 else "stage1" if stage1 else "stage2" if stage2 else "rejected"] += 1
