from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import release_files, releases
from heterodub.tasks.releases.erasure import take_out
from heterodub.tasks.releases.releases import (
    ReleaseProvenance,
    current_versions,
    find,
    latest,
    publish,
    read_release,
    release_clips,
    table_files,
)
from heterodub.tasks.stores import merging, tables, tombstones, vacuum
from heterodub.tasks.stores.batches import drop_media
from heterodub.tasks.stores.delta import load
from heterodub.tasks.stores.labels import NewLabel, read_labels, store_labels
from heterodub.tasks.training import clip_store
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import fill, filled_workspace

ORIGIN = ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "policy", "settings", "0.1")


@pytest.fixture
def ws(tmp_path):
    return filled_workspace(tmp_path, range(3))


def _publish(ws, origin=ORIGIN):
    return publish(ws, current_versions(ws), origin, {"passed": True}, ("a note",))


def _clips_of(ws, release, stage=Stage.STAGE1, split=None):
    return sorted(name for batch in read_release(ws, release, stage, split) for name in batch["clip_id"].to_pylist())


def test_new_workspace_has_no_release(ws):
    assert latest(ws) is None
    with pytest.raises(NotFoundError, match="none yet"):
        find(ws, "r0")


def test_release_is_stored_as_it_was_returned(ws):
    published = _publish(ws)
    assert published.changed and published.release.sequence == 1
    assert latest(ws) == find(ws, published.release.release_id) == published.release
    assert published.release.release_id[0] == "r" and len(published.release.release_id) == 13
    assert published.release.counts["stage1"]["val"] == {"clips": 2, "speakers": 1, "seconds": 2.4}
    assert published.release.notes == ("a note",)


def test_unchanged_workspace_publishes_nothing(ws):
    first = _publish(ws).release
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(9, state="rejected", reason="no_face")))
    tables.compact(ws, "clips", above=1)
    again = _publish(ws)
    assert not again.changed and again.release == first
    assert tables.size(ws, "releases").rows == 1


@pytest.mark.parametrize("field", ["backend", "extractor", "policy", "settings"])
def test_another_origin_is_another_release(ws, field):
    first = _publish(ws).release
    second = _publish(ws, replace(ORIGIN, **{field: "other"}))
    assert second.changed and second.release.sequence == 2 and second.release.release_id != first.release_id


def test_flag_a_split_a_signal_or_payload_makes_another_release(ws):
    seen = {_publish(ws).release.release_id}
    tables.update_columns(ws, "clips", pa.table({"clip_id": [sample.clip_id(0)], "snr_db": [-7.25]}))
    seen.add(_publish(ws).release.release_id)
    tables.update_columns(ws, "clips", pa.table({"clip_id": [sample.clip_id(0)], "stage2": [False]}))
    seen.add(_publish(ws).release.release_id)
    tables.update_columns(ws, "clips", pa.table({"clip_id": [sample.clip_id(0)], "split": ["test"]}))
    seen.add(_publish(ws).release.release_id)
    tables.delete_rows(ws, "stage2", "clip_id", [sample.clip_id(0)])
    seen.add(_publish(ws).release.release_id)
    assert len(seen) == 5
    assert latest(ws).sequence == 5


def test_changed_speaker_makes_another_release(ws):
    first = _publish(ws).release
    clip = release_clips(ws, first, Stage.STAGE1)["clip_id"][0].as_py()
    tables.update_columns(ws, "clips", pa.table({"clip_id": [clip], "speaker": ["somebody else"]}))
    second = _publish(ws)
    assert second.changed and second.release.release_id != first.release_id
    assert "somebody else" in release_clips(ws, second.release, Stage.STAGE1)["speaker"].to_pylist()


def test_release_pins_the_labels_it_was_published_with(ws):
    without = _publish(ws).release
    clip = NewLabel(sample.clip_id(0), sample.media_id(0), Stage.STAGE1, True, "clear", "Ann")
    version = store_labels(ws, [clip])
    labelled = _publish(ws)
    assert labelled.changed and labelled.release.release_id != without.release_id
    assert labelled.release.labels_version == version
    store_labels(ws, [replace(clip, keep=False)])
    other = _publish(ws)
    assert other.changed
    assert read_labels(ws, table_files(ws, labelled.release, "labels"))[clip.clip_id, Stage.STAGE1].keep
    assert read_labels(ws, table_files(ws, without, "labels")) == {}
    assert releases.identity_of(ws, labelled.release) == labelled.release.release_id


def test_going_back_publishes_the_old_content_as_the_newest(ws):
    first = _publish(ws).release
    _publish(ws, replace(ORIGIN, policy="other"))
    back = _publish(ws)
    assert back.changed and back.release.release_id == first.release_id
    assert find(ws, first.release_id).sequence == latest(ws).sequence == 3


def test_reading_follows_stage_and_split(ws):
    tables.update_columns(ws, "clips", pa.table({"clip_id": [sample.clip_id(0)], "stage1": [False]}))
    release = _publish(ws).release
    assert _clips_of(ws, release, split="train") == [sample.clip_id(0, 1)]
    assert _clips_of(ws, release, Stage.STAGE2, "train") == sorted([sample.clip_id(0), sample.clip_id(0, 1)])
    assert len(_clips_of(ws, release)) == 5


def test_release_reads_the_same_after_everything_changed(ws):
    release = _publish(ws).release
    before = [batch.to_pylist() for batch in read_release(ws, release, Stage.STAGE1)]
    fill(ws, range(3, 6))
    tables.update_columns(ws, "clips", pa.table({"clip_id": [sample.clip_id(0)], "split": ["test"]}))
    drop_media(ws, [sample.media_id(1)])
    tables.delete_rows(ws, "stage1", "clip_id", [sample.clip_id(2)])
    tables.compact(ws, "clips", above=1)
    assert [batch.to_pylist() for batch in read_release(ws, release, Stage.STAGE1)] == before
    assert release_clips(ws, release, Stage.STAGE1, "train").num_rows == 2
    assert len(_clips_of(ws, _publish(ws).release)) == 9


def test_release_whose_files_are_gone_says_so(ws):
    release = _publish(ws).release
    drop_media(ws, [sample.media_id(1)])
    for table in releases.PINNED:
        vacuum.erase(ws, table)
    with pytest.raises(NotFoundError, match="are gone: too old, or lost"):
        _clips_of(ws, release)
    assert len(_clips_of(ws, _publish(ws).release)) == 4


def test_start_of_an_id_is_enough_where_it_is_the_only_one(ws):
    ids = [_publish(ws, replace(ORIGIN, policy=str(number))).release.release_id for number in range(20)]
    first = {id_[0] for id_ in ids}
    assert len(first) < 20  # sixteen digits: some begin alike
    for id_ in ids:
        start = next(id_[:length] for length in range(1, 13) if sum(each.startswith(id_[:length]) for each in ids) == 1)
        assert find(ws, start).release_id == id_
    shared = next(digit for digit in first if sum(each.startswith(digit) for each in ids) > 1)
    with pytest.raises(NotFoundError, match="start of several releases") as error:
        find(ws, shared)
    assert all(id_ in str(error.value) for id_ in ids if id_.startswith(shared))
    with pytest.raises(NotFoundError, match="no release"):
        find(ws, "")


def test_release_is_read_without_the_log_of_its_versions(ws):
    release = _publish(ws).release
    before = _clips_of(ws, release)
    fill(ws, range(3, 6))
    for table in ("catalog", "clips", "stage1", "stage2"):
        load(ws, table).create_checkpoint()
        for entry in Path(ws.path(table, "_delta_log")).glob("0*.json"):
            if int(entry.stem) <= release.versions[table]:
                entry.unlink()
        with pytest.raises(NotFoundError):
            tables.read(ws, table, version=release.versions[table])
    assert _clips_of(ws, find(ws, release.release_id)) == before
    assert releases.identity_of(ws, release) == release.release_id


def test_versions_that_hold_taken_down_footage_are_not_published(ws, monkeypatch):
    first = _publish(ws).release
    fill(ws, range(3, 4))
    versions, write = current_versions(ws), release_files.write_lists

    def meanwhile(*given):
        lists = write(*given)
        tombstones.bar(ws, "file", "it", [sample.media_id(1)], "asked")
        return lists

    monkeypatch.setattr(release_files, "write_lists", meanwhile)
    rows = tables.read(ws, "release_files").sort_by("name")
    for _ in range(2):  # the first time it is taken down when the lists are written, then before
        assert publish(ws, versions, ORIGIN, {}) is None
        assert releases.every(ws) == [first]
        assert tables.read(ws, "release_files").sort_by("name") == rows


def _named(files):
    return [(file.name, file.size_bytes, file.rows) for file in files]


def test_next_release_shares_the_lists_that_still_hold(ws, monkeypatch):
    monkeypatch.setattr(release_files, "_LIST_FILES", 8)
    fill(ws, range(3, 20))
    first = _publish(ws).release
    rows = tables.size(ws, "release_files").rows
    fill(ws, range(20, 21))
    second = _publish(ws).release
    assert set(first.file_lists) & set(second.file_lists)
    assert tables.size(ws, "release_files").rows - rows < rows / 2
    for table in releases.PINNED:
        assert _named(table_files(ws, second, table)) == _named(tables.files_of(ws, table))
    drop_media(ws, [sample.media_id(4)])
    third = _publish(ws).release
    assert set(second.file_lists) & set(third.file_lists) < set(second.file_lists)
    assert list(table_files(ws, third, "stage1")) == list(tables.files_of(ws, "stage1"))


def test_changed_clip_costs_the_next_release_one_row(ws, monkeypatch):
    """The lists of the other tables are shared, and those of merged files are written without opening these."""
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 2)
    merging.merge_parts(ws, "stage1", tables.version(ws, "stage1"))
    fill(ws, range(3, 4))
    tables.compact(ws, "clips", above=1)
    merged = next(file for file in tables.files_of(ws, "stage1") if "merged" in file.name)
    first, rows = _publish(ws).release, tables.size(ws, "release_files").rows
    tables.update_columns(ws, "clips", pa.table({"clip_id": [sample.clip_id(0)], "speaker": ["Eve"]}))
    second = _publish(ws).release
    assert tables.size(ws, "release_files").rows == rows + 1
    assert len(set(first.file_lists) & set(second.file_lists)) == len(second.file_lists) - 1

    drop_media(ws, [sample.media_id(3)])  # so that the list of its part is written anew
    before = Path(ws.path("stage1", merged.name)).read_bytes()
    Path(ws.path("stage1", merged.name)).write_bytes(bytes(len(before)))
    third = _publish(ws).release
    Path(ws.path("stage1", merged.name)).write_bytes(before)
    (old,), (new,) = _lists(ws, "stage1", second), _lists(ws, "stage1", third)
    assert old != new
    stored = clip_store.StoredClips.of(ws, third, Stage.STAGE1)
    assert stored.index.find(sample.clip_id(0))[0] == merged.name


def _lists(ws, table, release):
    return set(release_files.read_listed(ws, release.file_lists, table, ["file_list"])["file_list"].to_pylist())


def test_many_small_lists_become_one(ws):
    for media in range(3, 14):
        fill(ws, range(media, media + 1))
        assert len(_publish(ws).release.file_lists) <= 9 * 4  # of each table that has rows


def test_clips_of_merged_files_are_found_by_the_release(ws, monkeypatch):
    """Not by the files' footers; also once a takedown has copied a file without one of its media."""
    monkeypatch.setattr(merging, "MERGE_ABOVE_FILES", 2)
    merging.merge_parts(ws, "stage2", tables.version(ws, "stage2"))
    fill(ws, range(3, 5))
    release = _publish(ws).release
    monkeypatch.setattr(clip_store, "_groups_with", lambda file, clip_id: [])
    rows = [row for batch in read_release(ws, release, Stage.STAGE2) for row in batch.to_pylist()]
    before = {row["clip_id"]: row["crops"] for row in rows}
    for gone in ([], [sample.media_id(1)]):
        take_out(ws, "stage2", gone)
        stored = clip_store.StoredClips.of(ws, release, Stage.STAGE2)
        for media in {0, 2} if gone else {0, 1, 2}:
            for number in range(2):
                clip_id = sample.clip_id(media, number)
                assert stored.index.find(clip_id)[0] == next(one.name for one in stored.files if "merged" in one.name)
                place = clip_store.ClipSource(clip_id, sample.media_id(media))
                assert list(stored.pictures(place).crops) == before[clip_id]
        assert stored.index.find(sample.clip_id(3)) is None
        assert (stored.index.find(sample.clip_id(1)) is None) == bool(gone)
