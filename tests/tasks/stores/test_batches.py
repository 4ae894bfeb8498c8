from dataclasses import replace

import pytest

from heterodub.tasks.stores import batches, parts, tables
from heterodub.tasks.stores.batches import FileBatch, KnownMedia, commit_batch, drop_media, orphans

from . import sample_rows as sample
from .sample_store import batch_of, fill, filled_workspace, new_workspace

_TABLES = ("catalog", "clips", "stage1", "stage2", "embeddings")


class _Killed(BaseException):
    pass


def _content(ws):
    key = {"catalog": "uri"}
    return {table: tables.read(ws, table).sort_by(key.get(table, "clip_id")).to_pylist() for table in _TABLES}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    fill(ws := new_workspace(tmp_path_factory.mktemp("undisturbed")), range(3))
    return _content(ws)


_STEPS = [(parts, "transact", 1), (parts, "transact", 2), *((tables, "transact", n) for n in (1, 2, 3))]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("module, function, call", _STEPS, ids=["stage1", "stage2", "embeddings", "clips", "catalog"])
def test_crash_at_any_commit_and_a_second_run_give_the_same_rows(
    tmp_path, undisturbed, monkeypatch, module, function, call, done
):
    ws = filled_workspace(tmp_path, range(2))
    real, seen = getattr(module, function), []

    def stop(*given):
        seen.append(1)
        if len(seen) < call:
            return real(*given)
        if done:
            real(*given)
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, function, stop)
        with pytest.raises(_Killed):
            commit_batch(ws, batch_of(ws, 2), KnownMedia(ws))
    fill(ws, range(2, 3))
    assert _content(ws) == undisturbed
    assert orphans(ws) == frozenset()


def test_second_run_over_everything_changes_no_rows(tmp_path, undisturbed):
    ws = new_workspace(tmp_path)
    fill(ws, range(3))
    versions = {table: tables.version(ws, table) for table in _TABLES}
    fill(ws, range(3))
    assert _content(ws) == undisturbed
    assert {table: tables.version(ws, table) for table in _TABLES} == versions


def test_measuring_anew_replaces_clips_and_payload(tmp_path):
    ws = filled_workspace(tmp_path, range(2))
    commit_batch(ws, batch_of(ws, 0, clips=1), KnownMedia(ws))
    assert tables.size(ws, "stage1").rows == tables.size(ws, "clips").rows == 3


def test_clips_without_any_embedding_are_stored(tmp_path):
    ws, nothing = new_workspace(tmp_path), {"face": None, "face_frames": None, "face_version": None}
    row = sample.embedding_row(0, missing=[("face", "no_good_frame"), ("voice", "silent")], **nothing)
    batch = replace(batch_of(ws, 0, clips=1), embeddings=sample.embeddings(row))
    for held in (KnownMedia(ws), KnownMedia(ws)):
        commit_batch(ws, batch, held)
    (stored,) = tables.read(ws, "embeddings").to_pylist()
    assert stored == row


def test_media_without_clips_lose_their_rows(tmp_path):
    ws = filled_workspace(tmp_path, range(2))
    row = sample.catalog_row(0, state="rejected", reason="no_face", clips=0)
    commit_batch(ws, FileBatch(frozenset({sample.media_id(0)}), sample.catalog(row), sample.clips()), KnownMedia(ws))
    assert KnownMedia(ws).media == {sample.media_id(1)}


def test_duplicate_of_a_stored_file_takes_nothing_from_it(tmp_path):
    ws = filled_workspace(tmp_path, range(1))
    row = sample.catalog_row(0, uri="/footage/copy.mp4", state="duplicate", reason="same_bytes")
    commit_batch(ws, FileBatch(frozenset(), sample.catalog(row), sample.clips()), KnownMedia(ws))
    assert tables.size(ws, "clips").rows == 2
    assert tables.size(ws, "catalog").rows == 2


def test_orphans_are_found_and_dropped(tmp_path):
    ws = filled_workspace(tmp_path, range(2))
    parts.commit_parts(ws, "stage1", batch_of(ws, 5).stage1)
    tables.delete_rows(ws, "catalog", "uri", ["/footage/1.mp4"])
    assert orphans(ws) == {sample.media_id(1), sample.media_id(5)}
    drop_media(ws, batches.orphans(ws))
    assert KnownMedia(ws).media == {sample.media_id(0)}


def test_two_ingests_that_store_the_same_media_leave_it_once(tmp_path):
    """Each looked at the tables when it began, and saw nothing; also after the tables were rewritten by another."""
    ws = new_workspace(tmp_path)
    one, other, third = KnownMedia(ws), KnownMedia(ws), KnownMedia(ws)
    commit_batch(ws, batch_of(ws, 0), one)
    commit_batch(ws, batch_of(ws, 0), other)
    commit_batch(ws, batch_of(ws, 1), one)
    tables.compact(ws, "clips", above=1)
    commit_batch(ws, batch_of(ws, 1), third)
    assert {table: tables.size(ws, table).rows for table in _TABLES} == {
        "catalog": 2,
        "clips": 4,
        "stage1": 4,
        "stage2": 4,
        "embeddings": 4,
    }
