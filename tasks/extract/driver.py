"""Drives an ingest: identify files, analyse each content once, commit what is finished batch by batch.

Plain code over plain parts; tasks/ingest.py makes Prefect tasks of it. A crash at any point leaves tables that the
next run completes to the same rows.
"""

import hashlib
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import MediaRefusedError
from schemas.policy import Policy
from schemas.reasons import FileReason, FileState
from schemas.records import RawFile
from schemas.settings import Settings
from schemas.tables import CLIPS
from tasks.extract import ledger
from tasks.extract.fanout import Client, spread
from tasks.extract.job import Analysis, Job
from tasks.extract.watching import Tally, Watcher
from tasks.extract.worker import Finished, identify, work_on
from tasks.stores import tables
from tasks.stores.batches import Batch, commit_batch, drop_media, media_with_rows, orphans
from tasks.stores.parts import Part
from tasks.stores.workspace import Workspace

_LOG = logging.getLogger(__name__)

_BATCH_IS_STORED_S = 2.0


@dataclass(frozen=True, slots=True)
class Identified:
    """Files by content. `originals`: the file as which each media is worked on; `copies`: (file, media_id, uri of
    the file that stands for it); `touched`: done files that look changed and hold the same bytes; `refused`: files
    that could not or must not be read.
    """

    originals: Mapping[str, RawFile]
    copies: tuple[tuple[RawFile, str, str], ...]
    touched: tuple[RawFile, ...]
    refused: tuple[tuple[RawFile, MediaRefusedError], ...]


def identify_files(
    client: Client, files: Collection[RawFile], known: Mapping[str, ledger.Row], extractor: str, watcher: Watcher
) -> Identified:
    """Read every file once for its sha256, and find files of the same bytes, among them and in the catalog."""
    refused: list[tuple[RawFile, MediaRefusedError]] = []
    readable: list[RawFile] = []
    for raw in files:
        if raw.refusal is not None:
            refused.append((raw, MediaRefusedError(raw.refusal, raw.refusal_detail)))
        elif not raw.size_bytes:
            refused.append((raw, MediaRefusedError(FileReason.EMPTY_FILE)))
        else:
            readable.append(raw)
    contents: dict[str, list[RawFile]] = {}
    watcher.phase("identify", len(readable))
    for raw, media_id in spread(client, identify, readable, key=lambda raw: f"identify-{raw.uri}"):
        watcher.step()
        if isinstance(media_id, MediaRefusedError):
            refused.append((raw, media_id))
        else:
            contents.setdefault(media_id, []).append(raw)
    holds = {raw.uri: media_id for media_id, same in contents.items() for raw in same}
    looked_at = {raw.uri for raw in files}
    standing = {
        row["media_id"]: uri
        for uri, row in known.items()
        if row["state"] == FileState.MEASURED
        and row["extractor"] == extractor
        # a file whose bytes changed stands for its old content no more
        and (uri not in looked_at or holds.get(uri) == row["media_id"])
    }
    originals, copies = _sort_copies(contents, standing)
    touched = {media: raw for media, raw in originals.items() if _is_done(raw, media, known.get(raw.uri), extractor)}
    fresh = {media: raw for media, raw in originals.items() if media not in touched}
    return Identified(fresh, tuple(copies), tuple(touched.values()), tuple(refused))


def _is_done(raw: RawFile, media_id: str, row: ledger.Row | None, extractor: str) -> bool:
    if row is None or row["state"] not in (FileState.MEASURED, FileState.REJECTED):
        return False
    return bool((row["media_id"], row["extractor"], row["offset_s"]) == (media_id, extractor, raw.offset_s))


def _sort_copies(
    contents: Mapping[str, list[RawFile]],
    standing: Mapping[str, str],
) -> tuple[dict[str, RawFile], list[tuple[RawFile, str, str]]]:
    originals: dict[str, RawFile] = {}
    copies: list[tuple[RawFile, str, str]] = []
    for media_id, same in sorted(contents.items()):
        same = sorted(same, key=lambda raw: raw.uri)
        stands = standing.get(media_id)
        if stands is None or stands in {raw.uri for raw in same}:
            own = next((raw for raw in same if raw.uri == stands), same[0])
            originals[media_id], stands = own, own.uri
        copies += [(raw, media_id, stands) for raw in same if raw.uri != stands]
    return originals, copies


@dataclass(slots=True)
class _Pending:
    """Finished work that is not in the store yet."""

    media: set[str] = field(default_factory=set)
    rows: list[ledger.Row] = field(default_factory=list)
    clips: list[pa.Table] = field(default_factory=list)
    parts: dict[str, list[Part]] = field(default_factory=lambda: {"stage1": [], "stage2": []})
    since: float = field(default_factory=time.monotonic)

    def take(self, media_id: str, row: ledger.Row, analysis: Analysis | None) -> None:
        self.media.add(media_id)
        self.rows.append(row)
        if analysis is not None:
            self.clips.append(analysis.clips)
            for table, part in analysis.parts.items():
                self.parts[table].append(part)

    def batch(self) -> Batch:
        clips = pa.concat_tables(self.clips) if self.clips else CLIPS.empty_table()
        catalog = ledger.catalog_table(self.rows)
        return Batch(frozenset(self.media), catalog, clips, self.parts["stage1"], self.parts["stage2"])


def analyse_files(
    client: Client,
    workspace: Workspace,
    files: Identified,
    known: Mapping[str, ledger.Row],
    settings: Settings,
    policy: Policy,
    watcher: Watcher,
) -> Tally:
    """Analyse every original and store the outcome of every file; returns what was done.

    Raises: WorkspaceError - the store cannot be written. WeightsMissingError - the landmark backend has no weights.
    """
    before = media_with_rows(workspace)
    tally = Tally(files=len(files.originals), bytes=sum(raw.size_bytes for raw in files.originals.values()))
    watcher.phase("analyse", tally.files)
    jobs = [
        _job(raw, media_id, policy)
        for media_id, raw in sorted(files.originals.items(), key=lambda it: -it[1].size_bytes)
    ]
    work = partial(work_on, settings=settings, policy=policy)
    pending = _Pending()
    for job, result in spread(client, work, jobs, key=lambda job: job.media_id):
        done = result if isinstance(result, Finished) else Finished(job, None, result, 0.0)
        raw = files.originals[job.media_id]
        pending.take(job.media_id, _row_of(raw, settings.extractor, done), done.analysis)
        _count(tally, raw, done)
        watcher.analysed(tally)
        if len(pending.rows) >= settings.run.commit_files or time.monotonic() - pending.since > settings.run.commit_s:
            commit_batch(workspace, pending.batch(), before)
            pending = _Pending()
    for raw, media_id, original in files.copies:
        pending.rows.append(ledger.duplicate_row(raw, settings.extractor, media_id, original))
    pending.rows += [
        ledger.refused_row(raw, settings.extractor, refusal)
        for raw, refusal in files.refused
        if not _may_still_hold(known.get(raw.uri), refusal)
    ]
    if pending.rows:
        commit_batch(workspace, pending.batch(), before)
    relabel(workspace, files.touched, known)
    if gone := before & orphans(workspace):
        drop_media(workspace, gone)
    return tally


def drop_leftovers(workspace: Workspace) -> None:
    """Take out rows of contents that no file stands for: a run that died had no time to.

    Twice looked at: at first sight it may be half a batch that another ingest is storing.
    """
    if seen := orphans(workspace):
        time.sleep(_BATCH_IS_STORED_S)
        if gone := seen & orphans(workspace):
            drop_media(workspace, gone)


def relabel(workspace: Workspace, files: Iterable[RawFile], known: Mapping[str, ledger.Row]) -> None:
    """Store what people now say about files that are done: their speaker, corpus, licence, consent and language."""
    rows = [ledger.relabelled_row(raw, known[raw.uri]) for raw in files]
    if not rows:
        return
    told = {row["media_id"]: row for row in rows if row["state"] == FileState.MEASURED}
    clips = tables.read(workspace, "clips", ["clip_id", "media_id"], filter=pc.field("media_id").isin(list(told)))
    media = clips["media_id"].to_pylist()
    changes = pa.table(
        {
            "clip_id": clips["clip_id"],
            "corpus": pa.array([told[m]["corpus"] for m in media], pa.string()),
            "speaker": pa.array([told[m]["speaker"] or f"file:{m}" for m in media], pa.string()),
        }
    )
    if changes.num_rows:
        tables.update_columns(workspace, "clips", changes)
    tables.replace_rows(workspace, "catalog", ledger.catalog_table(rows), "uri")


def _may_still_hold(row: ledger.Row | None, refusal: MediaRefusedError) -> bool:
    """Whether a measured file merely cannot be read right now. Its rows stay: a share that is down costs no clips."""
    if row is None or row["state"] != FileState.MEASURED or refusal.reason not in ledger.RETRIED:
        return False
    _LOG.warning("%s cannot be read (%s); what was measured of it is kept", row["uri"], refusal)
    return True


def _job(raw: RawFile, media_id: str, policy: Policy) -> Job:
    # parts of other content must not share a name: a release may still hold the old one
    suffix = hashlib.sha256(f"{policy.hash} {raw.offset_s}".encode()).hexdigest()[:12]
    speaker = ledger.speaker_key(raw, media_id)
    return Job(raw.uri, media_id, raw.size_bytes, raw.corpus, speaker, raw.offset_s, suffix=suffix)


def _row_of(raw: RawFile, extractor: str, done: Finished) -> ledger.Row:
    if done.analysis is not None:
        return ledger.analysed_row(raw, extractor, done.job.media_id, done.analysis)
    refusal = done.refusal or MediaRefusedError(FileReason.INTERNAL_ERROR, "no result and no reason")
    return ledger.refused_row(raw, extractor, refusal, done.job.media_id)


def _count(tally: Tally, raw: RawFile, done: Finished) -> None:
    tally.files_done += 1
    tally.bytes_done += raw.size_bytes
    if done.analysis is None:
        return
    tally.media_s += done.analysis.media_s
    first, second = (done.analysis.clips[stage].to_pylist() for stage in ("stage1", "stage2"))
    for one, two in zip(first, second, strict=True):
        tally.routes["both" if one and two else "stage1" if one else "stage2" if two else "rejected"] += 1
