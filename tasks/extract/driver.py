"""Drives an ingest: identify files, analyse each content once, commit what is finished batch by batch.

Plain code over plain parts; tasks/ingest.py makes Prefect tasks of it. A crash at any point leaves tables that the
next run completes to the same rows.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import MediaRefusedError
from schemas.policy import Policy
from schemas.reasons import QUARANTINE_REASONS, FileReason, FileState
from schemas.records import RawFile
from schemas.settings import Settings
from schemas.tables import CLIPS
from tasks.extract import ledger
from tasks.extract.fanout import Client, spread
from tasks.extract.job import Analysis, Job
from tasks.extract.watching import Tally, Watcher
from tasks.extract.worker import Finished, identify, work_on
from tasks.stores import tables
from tasks.stores.batches import Batch, commit_batch, drop_media, media_with_rows
from tasks.stores.parts import Part
from tasks.stores.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Identified:
    """Files by content. `originals`: the file as which each media is worked on; `copies`: (file, media_id, uri of
    the file that stands for it); `refused`: files that could not or must not be read.
    """

    originals: Mapping[str, RawFile]
    copies: tuple[tuple[RawFile, str, str], ...]
    refused: tuple[tuple[RawFile, MediaRefusedError], ...]


def identify_files(
    client: Client, files: Iterable[RawFile], known: Mapping[str, ledger.Row], extractor: str, watcher: Watcher
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
    standing = {
        row["media_id"]: uri
        for uri, row in known.items()
        if row["state"] == FileState.MEASURED and row["extractor"] == extractor
    }
    looked_at = frozenset(raw.uri for same in contents.values() for raw in same) | {raw.uri for raw, _ in refused}
    return _sort_copies(contents, standing, looked_at, refused)


def _sort_copies(
    contents: Mapping[str, list[RawFile]],
    standing: Mapping[str, str],
    looked_at: frozenset[str],
    refused: list[tuple[RawFile, MediaRefusedError]],
) -> Identified:
    originals: dict[str, RawFile] = {}
    copies: list[tuple[RawFile, str, str]] = []
    for media_id, same in sorted(contents.items()):
        same = sorted(same, key=lambda raw: raw.uri)
        stands = standing.get(media_id)
        if stands is None or stands in looked_at:  # looked at again, it may hold other bytes by now
            own = next((raw for raw in same if raw.uri == stands), same[0])
            originals[media_id], stands = own, own.uri
        copies += [(raw, media_id, stands) for raw in same if raw.uri != stands]
    return Identified(originals, tuple(copies), tuple(refused))


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
    jobs = [_job(raw, media_id) for media_id, raw in sorted(files.originals.items(), key=lambda it: -it[1].size_bytes)]
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
    pending.rows += [ledger.refused_row(raw, settings.extractor, refusal) for raw, refusal in files.refused]
    if pending.rows:
        commit_batch(workspace, pending.batch(), before)
    _drop_replaced(workspace, known, _read_again(files))
    return tally


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


def _job(raw: RawFile, media_id: str) -> Job:
    return Job(raw.uri, media_id, raw.size_bytes, raw.corpus, ledger.speaker_key(raw, media_id), raw.offset_s)


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


def _read_again(files: Identified) -> set[str]:
    """Files of which it is known what they hold now. One that could not be read may still hold what it held."""
    told = {raw.uri for raw, refusal in files.refused if refusal.reason not in QUARANTINE_REASONS}
    return told | {raw.uri for raw in files.originals.values()} | {raw.uri for raw, _, _ in files.copies}


def _drop_replaced(workspace: Workspace, known: Mapping[str, ledger.Row], read_again: set[str]) -> None:
    """Take out the rows of contents that no file has any more, because the bytes at their uri changed."""
    earlier = {row["media_id"] for uri, row in known.items() if uri in read_again and row["media_id"]}
    if not earlier:
        return
    standing = {
        row["media_id"] for row in ledger.read_catalog(workspace).values() if row["state"] == FileState.MEASURED
    }
    if gone := earlier - standing:
        drop_media(workspace, gone)
