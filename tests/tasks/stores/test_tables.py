import multiprocessing
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.tables import CATALOG, CLIPS, STAGE1
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from . import sample_rows as sample
from .sample_store import fill, filled_workspace, new_workspace


@pytest.fixture
def ws(tmp_path):
    return new_workspace(tmp_path)


def _uris(ws, version=None):
    return sorted(tables.read(ws, "catalog", ["uri"], version)["uri"].to_pylist())


def test_empty_table_has_its_schema_and_version_zero(ws):
    assert tables.read(ws, "clips").schema.equals(CLIPS)
    assert tables.version(ws, "clips") == 0
    assert tables.size(ws, "clips") == tables.TableSize("clips", 0, 0, 0, 0)


def test_rows_come_back_as_they_were(ws):
    rows = sample.clips(sample.clip_row(1, snr_db=None, missing=[("snr_db", "no_sound_stream")]), sample.clip_row(2))
    tables.append_rows(ws, "clips", rows)
    assert tables.read(ws, "clips").equals(rows)
    assert tables.read(ws, "clips").schema.equals(CLIPS, check_metadata=True)


def test_columns_filter_and_sizes(tmp_path):
    ws = filled_workspace(tmp_path, range(3))
    only = tables.read(ws, "clips", ["clip_id"], filter=pc.field("media_id") == sample.media_id(1))
    assert sorted(only["clip_id"].to_pylist()) == sorted([sample.clip_id(1, 0), sample.clip_id(1, 1)])
    assert only.column_names == ["clip_id"]
    size = tables.size(ws, "stage1")
    assert (size.files, size.rows) == (3, 6) and size.bytes > 1000


def test_appending_the_same_rows_twice_keeps_both(ws):
    for _ in range(2):
        tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    assert len(_uris(ws)) == 2


def test_rows_that_break_the_schema_are_refused_and_nothing_changes(ws):
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        tables.append_rows(ws, "catalog", pa.Table.from_pylist([sample.catalog_row(1, uri=None)], CATALOG))
    assert tables.version(ws, "catalog") == 0
    assert list(ws.scratch().iterdir()) == []


def test_replacing_keeps_one_row_per_key(ws):
    tables.append_rows(ws, "catalog", sample.catalog(*(sample.catalog_row(n) for n in range(3))))
    before = tables.version(ws, "catalog")
    fresh = sample.catalog(sample.catalog_row(1, size_bytes=5), sample.catalog_row(9))
    assert tables.replace_rows(ws, "catalog", fresh, "uri") == before + 1
    rows = {row["uri"]: row["size_bytes"] for row in tables.read(ws, "catalog").to_pylist()}
    assert rows == {
        "/footage/0.mp4": 1000,
        "/footage/1.mp4": 5,
        "/footage/2.mp4": 1000,
        "/footage/9.mp4": 1000,
    }


def test_replacing_by_the_same_rows_changes_nothing(ws):
    rows = sample.catalog(*(sample.catalog_row(n) for n in range(3)))
    tables.append_rows(ws, "catalog", rows)
    assert tables.replace_rows(ws, "catalog", rows.slice(1), "uri") == 1


def test_replacing_repairs_a_duplicate_key(ws):
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)))
    tables.replace_rows(ws, "catalog", sample.catalog(sample.catalog_row(1)), "uri")
    assert _uris(ws) == ["/footage/1.mp4"]


def test_updating_writes_only_real_changes(tmp_path):
    ws = filled_workspace(tmp_path, range(3))
    changes = pa.table(
        {
            "clip_id": [sample.clip_id(0), sample.clip_id(1)],
            "split": ["test", sample.clip_row(1)["split"]],
            "stage1_reasons": [["noisy", "grey"], []],
            "near_copy_of": [None, None],
        }
    )
    files = set(tables.file_names(ws, "clips"))
    version = tables.update_columns(ws, "clips", changes)
    assert tables.update_columns(ws, "clips", changes) == version
    assert len(files & set(tables.file_names(ws, "clips"))) == 2
    rows = {row["clip_id"]: row for row in tables.read(ws, "clips").to_pylist()}
    assert rows[sample.clip_id(0)]["split"] == "test"
    assert rows[sample.clip_id(0)]["stage1_reasons"] == ["noisy", "grey"]
    assert rows[sample.clip_id(1)] == sample.clips(sample.clip_row(1)).to_pylist()[0]
    assert rows[sample.clip_id(0, 1)]["split"] == sample.clip_row(0, 1)["split"]


def test_updating_to_null_and_unknown_keys(ws):
    fill(ws, range(1))
    changes = pa.table({"clip_id": [sample.clip_id(0), "unknown"], "split": pa.array([None, "val"], pa.string())})
    tables.update_columns(ws, "clips", changes)
    rows = {row["clip_id"]: row["split"] for row in tables.read(ws, "clips").to_pylist()}
    assert rows == {sample.clip_id(0): None, sample.clip_id(0, 1): "train"}


def test_updating_a_key_twice_is_an_error(ws):
    with pytest.raises(ValueError, match="twice"):
        tables.update_columns(ws, "clips", pa.table({"clip_id": ["a", "a"], "split": ["val", "test"]}))


def test_deleting_payload_keeps_its_form(tmp_path):
    ws = filled_workspace(tmp_path, range(3))
    tables.delete_rows(ws, "stage1", "clip_id", [sample.clip_id(0)])
    tables.delete_rows(ws, "stage1", "media_id", [sample.media_id(2)])
    left = tables.read(ws, "stage1")
    assert sorted(left["clip_id"].to_pylist()) == sorted(
        [sample.clip_id(0, 1), sample.clip_id(1), sample.clip_id(1, 1)]
    )
    assert left.schema.equals(STAGE1)
    for name in tables.file_names(ws, "stage1"):
        assert pq.read_schema(ws.path("stage1", name)).field("mel").type == STAGE1.field("mel").type


def test_deleting_missing_rows_changes_nothing(ws):
    fill(ws, range(1))
    assert tables.delete_rows(ws, "clips", "speaker", ["nobody"]) == tables.version(ws, "clips")


def test_old_versions_survive_appends_deletes_and_compaction(ws):
    for number in range(40):
        tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(number)))
    pinned, expected = tables.version(ws, "catalog"), _uris(ws)
    tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(99)))
    assert tables.compact(ws, "catalog") == pinned + 2
    assert tables.compact(ws, "catalog") == pinned + 2
    tables.delete_rows(ws, "catalog", "uri", expected[:5])
    assert tables.size(ws, "catalog").files == 1
    assert _uris(ws, pinned) == expected
    assert len(_uris(ws)) == 36


def test_compaction_leaves_large_files_alone_and_gathers_no_more_than_two_of_them_hold(ws, monkeypatch):
    for first in (0, 100):
        tables.append_rows(ws, "catalog", sample.catalog(*(sample.catalog_row(first + i) for i in range(50))))
    large = set(tables.file_names(ws, "catalog"))
    for number in range(200, 206):
        tables.append_rows(ws, "catalog", sample.catalog(sample.catalog_row(number)))
    sizes = {name: Path(ws.path("catalog", name)).stat().st_size for name in tables.file_names(ws, "catalog")}
    small = max(size for name, size in sizes.items() if name not in large)
    expected = _uris(ws)
    monkeypatch.setattr(tables, "LARGE_FILE_BYTES", small + 1)
    assert small < min(sizes[name] for name in large)

    tables.compact(ws, "catalog", above=8)  # as many as there are, but not as many small ones
    assert len(tables.file_names(ws, "catalog")) == 8
    tables.compact(ws, "catalog", above=5)
    left = set(tables.file_names(ws, "catalog"))
    assert large < left and len(left) == 2 + 1 + 4  # two large, two small ones in one, four small
    assert _uris(ws) == expected


def test_compaction_is_not_for_payload(ws):
    with pytest.raises(ValueError, match="stage1"):
        tables.compact(ws, "stage1")


def test_streaming_gives_all_rows_in_small_batches(tmp_path):
    ws = filled_workspace(tmp_path, range(5))
    batches = list(tables.batches(ws, "stage1", None, ["clip_id", "landmarks"]))
    assert sum(batch.num_rows for batch in batches) == 10
    assert max(batch.num_rows for batch in batches) <= 4
    assert all(batch.schema.field("landmarks").type == STAGE1.field("landmarks").type for batch in batches)


@pytest.mark.parametrize("rows", [0, 2])
def test_unknown_version_is_not_found(ws, rows):
    fill(ws, range(rows))
    with pytest.raises(NotFoundError, match="no version 7"):
        tables.read(ws, "clips", version=7)


def test_other_tools_read_the_tables(tmp_path):
    ws = filled_workspace(tmp_path, range(2))
    tables.delete_rows(ws, "stage1", "clip_id", [sample.clip_id(0)])
    assert DeltaTable(ws.table_uri("stage1")).count() == 3
    assert DeltaTable(ws.table_uri("clips")).count() == 4


def _append_many(root: str, first: int) -> None:
    ws = Workspace.open(root)
    for number in range(first, first + 15):
        tables.append_rows(ws, "clips", sample.clips(sample.clip_row(number)))
        tables.replace_rows(ws, "catalog", sample.catalog(sample.catalog_row(0, size_bytes=number)), "uri")
        tables.replace_rows(ws, "catalog", sample.catalog(sample.catalog_row(number + 1)), "uri")


def test_two_processes_append_and_replace_at_once(ws):
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append_many, args=(ws.root, first)) for first in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    clips = tables.read(ws, "clips", ["clip_id"])["clip_id"].to_pylist()
    assert len(clips) == len(set(clips)) == 30
    assert len(_uris(ws)) == len(set(_uris(ws))) == 31


_READERS = """
import os, sys
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
for _ in range(20):
    reader = os.fork()
    if not reader:
        ws = Workspace.open(sys.argv[1])
        assert tables.read(ws, "clips").num_rows == 4
        assert sum(batch.num_rows for batch in tables.batches(ws, "stage1")) == 4
        sys.exit()
    print(os.waitpid(reader, 0)[1])
"""


def test_reading_processes_end_cleanly(ws):
    """Each is a whole interpreter that shuts down; forked, so that all share one import. See delta.py."""
    fill(ws, range(2))
    ran = subprocess.run([sys.executable, "-u", "-c", _READERS, ws.root], capture_output=True, text=True)
    assert ran.stdout.split() == ["0"] * 20
