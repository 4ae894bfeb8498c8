"""Merging of payload parts: the same rows in few files, a clip a row group, whatever happens meanwhile."""

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.reasons import Stage
from heterodub.tasks.stores import merging, tables
from heterodub.tasks.stores.batches import KnownMedia, commit_batch, drop_media
from heterodub.tasks.stores.merging import merge_parts
from heterodub.tasks.training.clip_store import ClipSource, StoredClips

from . import sample_rows as sample
from .sample_store import batch_of, fill, filled_workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 4)
    return filled_workspace(tmp_path, range(6))


def rows(ws, table="stage1"):
    return tables.read(ws, table).sort_by("clip_id")


def merge(ws, table="stage1"):
    return merge_parts(ws, table, tables.version(ws, table))


def test_merged_parts_hold_the_same_rows_a_clip_a_row_group(ws):
    before, version = rows(ws), tables.version(ws, "stage1")
    assert merge(ws) == version + 1
    (file,) = tables.files_of(ws, "stage1")
    assert rows(ws).equals(before)
    with pq.ParquetFile(ws.path("stage1", file.name)) as opened:
        assert opened.num_row_groups == file.rows == 12
    assert tables.read(ws, "stage1", version=version).sort_by("clip_id").equals(before)
    assert merge(ws) == version + 1


def test_merged_files_are_bounded_and_hold_neighbouring_media(ws, monkeypatch):
    sizes = [file.size_bytes for file in tables.files_of(ws, "stage1")]
    monkeypatch.setattr(merging, "_FULL", 1)
    monkeypatch.setattr(merging, "PART_BYTES", 3 * max(sizes))
    merge(ws)
    first, second = sorted(tables.files_of(ws, "stage1"), key=lambda file: file.bounds["media_id"])
    assert first.bounds["media_id"][1] < second.bounds["media_id"][0] and first.rows == second.rows == 6
    monkeypatch.setattr(merging, "PART_CLIPS", 2)
    fill(ws, range(6, 12))
    version = tables.version(ws, "stage1")
    assert merge(ws) == version  # two clips are the most
    monkeypatch.setattr(merging, "PART_CLIPS", 6)
    merge(ws)
    files = tables.files_of(ws, "stage1")
    assert {first.name, second.name} < {file.name for file in files}
    assert sorted(file.rows for file in files) == [6, 6, 6, 6]


def test_clips_of_merged_parts_are_read_alone(ws):
    merge(ws, "stage2")
    stored = StoredClips(ws, Stage.STAGE2, tuple(tables.files_of(ws, "stage2")))
    for media in range(6):
        row = tables.read(ws, "stage2", filter=pc.field("clip_id") == sample.clip_id(media, 1)).to_pylist()[0]
        clip = stored.pictures(ClipSource(sample.clip_id(media, 1), sample.media_id(media)))
        assert list(clip.crops) == row["crops"]


def test_table_that_changed_since_the_audit_is_not_merged(ws):
    version = tables.version(ws, "stage1")
    fill(ws, range(6, 7))
    assert merge_parts(ws, "stage1", version) == version
    assert len(tables.files_of(ws, "stage1")) == 7


@pytest.mark.parametrize("others", [[6], [6, 7]])
def test_writer_during_a_merge_makes_no_version_that_was_not_audited(ws, monkeypatch, others):
    version, before, write = tables.version(ws, "stage1"), rows(ws), merging.write_file

    def meanwhile(*given):
        for media in others:
            fill(ws, [media])
        return write(*given)

    monkeypatch.setattr(merging, "write_file", meanwhile)
    assert merge_parts(ws, "stage1", version) == version
    assert tables.read(ws, "stage1", version=version).sort_by("clip_id").equals(before)
    assert len(tables.files_of(ws, "stage1")) == 6 + len(others)
    assert not list(Path(ws.path("stage1")).glob("merged-*"))


def test_medium_that_is_measured_again_replaces_its_merged_rows(ws):
    merge(ws)
    held, before = KnownMedia(ws), rows(ws)
    assert sample.media_id(3) in held.media
    commit_batch(ws, batch_of(ws, 3), held)
    assert rows(ws).equals(before) and len(tables.files_of(ws, "stage1")) == 2
    commit_batch(ws, batch_of(ws, 9), held)  # of which the merged file is known to have nothing
    assert rows(ws).num_rows == 14
    drop_media(ws, [sample.media_id(1), sample.media_id(3)])
    assert KnownMedia(ws).media == {sample.media_id(number) for number in (0, 2, 4, 5, 9)}


def test_medium_that_another_ingest_stored_and_merged_is_stored_once(ws):
    held = KnownMedia(ws)
    fill(ws, range(6, 8))
    merge(ws)
    before = rows(ws)
    commit_batch(ws, batch_of(ws, 7), held)
    assert rows(ws).equals(before)


KILLED = """
import os, signal, sys
from heterodub.tasks.stores import merging, tables
from heterodub.tasks.stores.workspace import Workspace

ws, write = Workspace.open(sys.argv[1]), merging.write_file
merging.MERGE_ABOVE_FILES = 4
merging.write_file = lambda *given: (write(*given), os.kill(os.getpid(), signal.SIGKILL))
merging.merge_parts(ws, "stage1", tables.version(ws, "stage1"))
"""


def test_killed_merge_changes_nothing_and_is_done_again(ws):
    before, version = rows(ws), tables.version(ws, "stage1")
    words = [sys.executable, "-c", KILLED, ws.root]
    assert subprocess.run(words, cwd=Path(__file__).parents[3]).returncode == -signal.SIGKILL
    (left,) = Path(ws.path("stage1")).glob("merged-*")
    assert tables.version(ws, "stage1") == version and rows(ws).equals(before)
    assert merge(ws) == version + 1 and rows(ws).equals(before)
    (file,) = tables.files_of(ws, "stage1")
    assert Path(ws.path("stage1", file.name)).read_bytes() == left.read_bytes()
