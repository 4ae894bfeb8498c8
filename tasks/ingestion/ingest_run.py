"""One run of an ingest: what follows from the result of each task, up to the commits of finished work."""

import hashlib
import logging
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import chain

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog
from heterodub.tasks.ingestion.deduplication import ListedAmong, merge_twins, resolve, store_resolution
from heterodub.tasks.ingestion.hashing import FilesByContent, by_content
from heterodub.tasks.ingestion.job import Cutting, FileJob, Identification
from heterodub.tasks.ingestion.pending import Pending, remove_parts
from heterodub.tasks.ingestion.relabelling import relabel_lines
from heterodub.tasks.ingestion.schedule import FilmResult, ListedSlice, Schedule
from heterodub.tasks.ingestion.tally import Tally, count_file, count_states
from heterodub.tasks.ingestion.worker import FileResult, Task, TaskResult
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.monitoring.spans import file_span
from heterodub.tasks.releases.barred import Barred
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.batches import KnownMedia, drop_media, orphans
from heterodub.tasks.stores.labels import VerdictsByClip, labels_by_media
from heterodub.tasks.stores.line_labels import labels_of_line
from heterodub.tasks.stores.workspace import Workspace

_LOG = logging.getLogger(__name__)

_COMPACT_ABOVE_FILES = 64
"""Every commit adds files to the small tables and looks into those that are there; their number must not grow with
the corpus."""


FilesOf = dict[str, list[RawFile]]
"""Files by their content."""


class IngestRun:
    """Storing of the results of an ingest's tasks. One content is analysed at a time under one name: files that
    hold one which is being analysed wait until it is stored, and are then compared with what is stored.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        policy: Policy,
        progress: ProgressSink,
        tally: Tally,
        schedule: Schedule,
        listed: ListedAmong,
        known: AbstractSet[str],
    ) -> None:
        self._workspace, self._settings, self._policy = workspace, settings, policy
        self._progress, self._tally, self._schedule, self._listed = progress, tally, schedule, listed
        self._decided: set[str] = set()
        self._filled: Mapping[str, RawFile] = {}
        self._unread = set(known)
        """Files that the catalog knows, and that were not looked at yet: their rows may be out of date."""
        self._known_media = KnownMedia(workspace)
        self._before = frozenset(self._known_media.media)
        self._pending = Pending()
        self._running: dict[str, RawFile] = {}
        self._waiting: FilesOf = {}
        """Files by content, of contents that are being analysed, or were since the last decision; and of those for
        which an unread file may stand."""
        self._is_identifying = True
        self._barred = Barred.standing(workspace)

    def finish(self, task: Task, result: TaskResult | MediaRefusedError) -> None:
        """Go on from the result of a task; an error in its place means that its worker was lost each time."""
        match task, result:
            case Identification(), list() | MediaRefusedError():
                for _ in task.files if self._is_identifying else ():
                    self._progress.advance()
                if (identified := self._schedule.identified(task, result)) is not None:
                    self._decide(identified)
            case Cutting(), tuple() | MediaRefusedError():
                self._schedule.cut(task.job, () if isinstance(result, MediaRefusedError) else result)
            case FileJob(), FileResult() | MediaRefusedError():
                done = FileResult(task, None, result) if isinstance(result, MediaRefusedError) else result
                if (film := self._schedule.analysed(task, done)) is not None:
                    self._add(film)

    def go_on(self) -> bool:
        """Decide on what was waiting when no task is left; return True if there are more tasks now. Else store all."""
        unread = self._schedule.unread()
        if unread is not None or self._waiting:
            self._decide(unread or ListedSlice(()))
            return True
        self._store()
        merge_twins(self._workspace, self._settings, catalog.twin_rows(self._workspace))
        if gone := self._before & orphans(self._workspace):
            drop_media(self._workspace, gone)
        return False

    def _decide(self, identified: ListedSlice) -> None:
        """Decide which file stands for each content of a slice; have those analysed that are new."""
        files = by_content(identified.files, identified.answers)
        self._unread.difference_update(raw.uri for raw in identified.files)
        ready, taken_down = self._to_decide(files)
        self._store()
        read = [*(raw for raw, _ in files.refused), *chain.from_iterable(ready.values())]
        rows_now = partial(catalog.rows_about, self._workspace, [raw.uri for raw in read], ready)
        catalog_rows = rows_now()
        if merge_twins(self._workspace, self._settings, catalog.twins_among(catalog_rows)):
            catalog_rows = rows_now()
        fresh = self._certain(ready, catalog_rows)
        decided = [*taken_down, *(raw for raw, _ in files.refused), *chain.from_iterable(fresh.values())]
        extractor, is_gone = self._settings.extractor, partial(gone, origins=self._settings.limits.web_origins)
        looked_at = self._looked_at(files, fresh)
        resolution = resolve(fresh, catalog_rows, extractor, self._named_among, looked_at, is_gone, self._filled)
        self._filled = resolution.filled
        relabel_lines(self._workspace, fresh, self._settings, looked_at)
        self._decided.update(raw.uri for raw in decided)
        self._tally.replace(decided, resolution.originals.values())
        unread = [
            catalog.refused_row(raw, extractor, refusal)
            for raw, refusal in files.refused
            if raw.uri in resolution.gone or not _may_still_hold(catalog_rows.get(raw.uri), refusal)
        ]
        self._pending.rows += unread
        copies = store_resolution(self._workspace, resolution, catalog_rows, extractor)
        count_states(self._tally, [*unread, *copies])
        self._start(resolution.originals)

    def _certain(self, ready: FilesOf, catalog_rows: catalog.Catalog) -> FilesOf:
        """Contents of which no unread file has a row: whether it still holds them is not known. The others wait."""
        unsure = {row["media_id"] for row in catalog_rows.values() if row["uri"] in self._unread} & ready.keys()
        self._waiting.update((media, ready[media]) for media in unsure)
        return {media: same for media, same in ready.items() if media not in unsure}

    def _looked_at(self, files: FilesByContent, fresh: FilesOf) -> frozenset[str]:
        """Uris whose bytes were read, and whose rows may say something else."""
        held = chain.from_iterable(chain(fresh.values(), self._waiting.values()))
        return files.looked_at.union((raw.uri for raw in held), (raw.uri for raw in self._running.values()))

    def _named_among(self, uris: AbstractSet[str]) -> AbstractSet[str]:
        return self._listed(uris) | (self._decided & uris)

    def _to_decide(self, files: FilesByContent) -> tuple[FilesOf, list[RawFile]]:
        """Contents to decide on now, with those that were waiting and are stored, and files whose content was taken
        down, under whatever name they come back. Those whose content is being analysed are left waiting.
        """
        for media, same in files.contents.items():
            self._waiting.setdefault(media, []).extend(same)
        ready = {media: same for media, same in self._waiting.items() if media not in self._running}
        self._waiting = {media: same for media, same in self._waiting.items() if media in self._running}
        barred = tombstones.standing(self._workspace).media
        taken_down = list(chain.from_iterable(same for media, same in ready.items() if media in barred))
        self._tally.taken_down += len(taken_down)
        return {media: same for media, same in ready.items() if media not in barred}, taken_down

    def _start(self, originals: Mapping[str, RawFile]) -> None:
        """Have contents analysed, each by the file that stands for it."""
        labels = labels_by_media(labels_of_line(self._workspace)) if originals else {}
        for media_id, raw in originals.items():
            self._running[media_id] = raw
            self._schedule.add(_job(raw, media_id, self._policy, labels.get(media_id, {}), self._workspace.line))
        self._is_identifying, self._barred = False, Barred.standing(self._workspace)
        self._progress.phase("analyse", self._tally.files, self._tally.files_done, self._tally.share)

    def _add(self, film: FilmResult) -> None:
        """Count a file that was analysed, and keep its rows for the next commit, which may be now."""
        job, tally, limits = film.result.job, self._tally, self._settings.run
        raw = self._running.pop(job.media_id)
        analysis = film.result.analysis
        if analysis is not None and (takedown := self._barred.takedown_of(analysis.clips)):
            # by its id: log lines reach Prefect's database, whose readers must not learn who was taken down
            _LOG.warning("media %s is a copy of footage that was taken down (%s): left out", job.media_id, takedown)
            _keep_out(self._workspace, film, raw, takedown)
            tally.files, tally.bytes = tally.files - 1, tally.bytes - raw.size_bytes
            tally.taken_down += 1
            return
        remove_parts(self._workspace, film.unused)
        row = _row_of(raw, self._settings.extractor, film.result)
        self._pending.add(row, film)
        count_states(tally, [row])
        count_file(tally, raw, film.result)
        if began_ns := film.result.began_ns:
            file_span(began_ns, film.result.ended_ns, media=job.media_id, state=row["state"], bytes=raw.size_bytes)
        self._progress.advance(tally.routes_text, tally.share)
        if len(self._pending.rows) >= limits.commit_files or time.monotonic() - self._pending.since > limits.commit_s:
            self._store()

    def _store(self) -> None:
        if not self._pending.rows:
            return
        self._tally.taken_down += self._pending.commit(self._workspace, self._known_media)
        self._pending = Pending()
        for table in ("catalog", "clips", "embeddings"):
            tables.compact(self._workspace, table, _COMPACT_ABOVE_FILES)


def _keep_out(workspace: Workspace, film: FilmResult, raw: RawFile, takedown: str) -> None:
    """Bar a copy's content, so that it is not decoded again, and take out what is or was about to be stored of it."""
    media_id = film.result.job.media_id
    tombstones.bar_copy(workspace, takedown, media_id)
    remove_parts(workspace, (*film.segments, *film.unused))
    tables.delete_rows(workspace, "catalog", "uri", [raw.uri])
    drop_media(workspace, {media_id})


def _may_still_hold(row: catalog.Row | None, refusal: MediaRefusedError) -> bool:
    """Return True if a measured file merely cannot be read now. Its rows stay: a share that is down costs no clips."""
    if row is None or row["state"] != FileState.MEASURED or refusal.reason not in catalog.RETRIED:
        return False
    _LOG.warning("%s cannot be read (%s); what was measured of it is kept", row["uri"], refusal)
    return True


def _job(raw: RawFile, media_id: str, policy: Policy, labels: VerdictsByClip, line: str) -> FileJob:
    # parts of other content must not share a name: a release may still hold the old one
    rights = (raw.licence, raw.consent, raw.purpose)
    content = f"{policy.hash} {raw.offset_s} {rights}" + (f" {sorted(labels.items())}" if labels else "")
    suffix = hashlib.sha256(content.encode()).hexdigest()[:12]
    speaker = catalog.speaker_key(raw, media_id)
    return FileJob(
        raw.uri,
        media_id,
        raw.size_bytes,
        raw.corpus,
        speaker,
        raw.offset_s,
        suffix=suffix,
        labels=labels,
        licence=raw.licence,
        consent=raw.consent,
        purpose=raw.purpose,
        line=line,
    )


def _row_of(raw: RawFile, extractor: str, done: FileResult) -> catalog.Row:
    if done.analysis is not None:
        return catalog.analysed_row(raw, extractor, done.job.media_id, done.analysis)
    refusal = done.refusal or MediaRefusedError(FileReason.INTERNAL_ERROR, "no result and no reason")
    return catalog.refused_row(raw, extractor, refusal, done.job.media_id)
