from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import STAGE2
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.parts import commit_parts, media_in_parts, part_name
from heterodub.tasks.training.clip_store import ClipSource, StoredClips

from . import sample_rows as sample
from .sample_store import new_workspace, write_part


@pytest.fixture
def ws(tmp_path):
    return new_workspace(tmp_path)


def _write(ws, media=1, clips=2, suffix="", **changes):
    rows = sample.stage1(*(sample.stage1_row(media, number, **changes) for number in range(clips)))
    return write_part(ws, "stage1", sample.media_id(media), sample.EXTRACTOR, rows, suffix)


def test_part_is_invisible_until_committed(ws):
    part = _write(ws)
    assert tables.read(ws, "stage1").num_rows == 0
    assert commit_parts(ws, "stage1", [part]) == 1
    assert tables.read(ws, "stage1").num_rows == 2


def test_same_part_again_changes_nothing(ws):
    one, two = _write(ws), _write(ws)
    assert one == two
    commit_parts(ws, "stage1", [one])
    assert commit_parts(ws, "stage1", [two]) == 1
    assert tables.size(ws, "stage1").rows == 2


def test_part_that_was_written_anew_takes_its_own_place(ws):
    commit_parts(ws, "stage1", [_write(ws)])
    commit_parts(ws, "stage1", [_write(ws, clips=1)])
    assert tables.size(ws, "stage1").files == 1
    assert tables.size(ws, "stage1").rows == tables.read(ws, "stage1").num_rows == 1


def test_another_suffix_adds_to_the_media(ws):
    commit_parts(ws, "stage1", [_write(ws)])
    later = sample.stage1(sample.stage1_row(1, 7))
    part = write_part(ws, "stage1", sample.media_id(1), sample.EXTRACTOR, later, "policy2")
    commit_parts(ws, "stage1", [part])
    assert tables.size(ws, "stage1").rows == 3


def test_replacing_drops_the_parts_of_another_extractor(ws):
    old = write_part(ws, "stage1", sample.media_id(1), "0-old", sample.stage1(sample.stage1_row(1)))
    commit_parts(ws, "stage1", [old, _write(ws, media=2)])
    commit_parts(ws, "stage1", [_write(ws)], replacing=[sample.media_id(1)])
    assert media_in_parts(ws, "stage1") == ({sample.media_id(1), sample.media_id(2)}, set())
    assert tables.size(ws, "stage1").rows == 4


def test_many_parts_are_one_transaction(ws):
    parts = [_write(ws, media=number) for number in range(20)]
    assert commit_parts(ws, "stage1", parts) == 1
    assert tables.size(ws, "stage1").rows == 40


def test_rows_may_come_piece_by_piece(ws):
    pieces = (sample.stage2(sample.stage2_row(1, number)) for number in range(9))
    part = write_part(ws, "stage2", sample.media_id(1), sample.EXTRACTOR, pieces)
    assert part.rows == 9
    assert pq.ParquetFile(ws.path("stage2", part.name)).num_row_groups == 9


def test_reading_a_clip_touches_no_other(ws):
    """Ids are hashes, so those of a group of several clips would span those of nearly all others."""
    rows = sample.stage2(*(sample.stage2_row(1, number) for number in range(9)))
    part = write_part(ws, "stage2", sample.media_id(1), sample.EXTRACTOR, rows)
    commit_parts(ws, "stage2", [part])
    path = Path(ws.path("stage2", part.name))
    metadata = pq.ParquetFile(path).metadata
    data = bytearray(path.read_bytes())
    for number in (number for number in range(9) if number != 4):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            begins = column.dictionary_page_offset or column.data_page_offset
            data[begins : begins + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(data)
    stored = StoredClips(ws, Stage.STAGE2, tuple(tables.files_of(ws, "stage2")))
    wanted = sample.stage2_row(1, 4)
    result = stored.pictures(ClipSource(wanted["clip_id"], sample.media_id(1)))
    assert result.crops == tuple(wanted["crops"])
    with pytest.raises(WorkspaceError):
        stored.pictures(ClipSource(sample.stage2_row(1, 3)["clip_id"], sample.media_id(1)))


def test_no_rows_write_no_file(ws):
    assert write_part(ws, "stage1", sample.media_id(1), sample.EXTRACTOR, iter([])) is None
    assert not ws.filesystem().exists(ws.path("stage1", part_name(sample.media_id(1), sample.EXTRACTOR)))


def test_files_are_packed_as_promised(ws):
    rows = sample.stage2(*(sample.stage2_row(1, number) for number in range(9)))
    part = write_part(ws, "stage2", sample.media_id(1), sample.EXTRACTOR, rows)
    file = pq.ParquetFile(ws.path("stage2", part.name))
    columns = {column.path_in_schema: column for column in map(file.metadata.row_group(0).column, range(9))}
    assert file.num_row_groups == 9
    assert "BYTE_STREAM_SPLIT" in columns["landmarks.list.element.list.element"].encodings
    assert columns["landmarks.list.element.list.element"].compression == "ZSTD"
    assert columns["crops.list.element"].compression == "UNCOMPRESSED"
    assert file.schema_arrow.field("crop_boxes").type == STAGE2.field("crop_boxes").type
    assert list(ws.scratch().iterdir()) == []


def test_failing_producer_leaves_nothing(ws):
    def pieces():
        yield sample.stage1(sample.stage1_row(1))
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_part(ws, "stage1", sample.media_id(1), sample.EXTRACTOR, pieces())
    assert list(ws.scratch().iterdir()) == []
    assert not ws.filesystem().exists(ws.path("stage1", part_name(sample.media_id(1), sample.EXTRACTOR)))


def test_misuse_is_refused(ws):
    rows = sample.stage1(sample.stage1_row(1))
    with pytest.raises(ValueError, match="made of letters"):
        part_name("../../etc", sample.EXTRACTOR)
    with pytest.raises(ValueError, match="given rows of"):
        write_part(ws, "stage1", sample.media_id(2), sample.EXTRACTOR, rows)
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        write_part(ws, "stage1", sample.media_id(1), sample.EXTRACTOR, rows.set_column(3, "frames", pa.array(["x"])))


def test_damaged_file_is_named(ws):
    part = _write(ws)
    commit_parts(ws, "stage1", [part])
    ws.filesystem().pipe_file(ws.path("stage1", part.name), b"PAR1 is not all PAR1")
    with pytest.raises(WorkspaceError, match=part.name):
        list(tables.batches(ws, "stage1"))


def test_vanished_part_is_not_committed(ws):
    part = _write(ws)
    ws.filesystem().rm(ws.path("stage1", part.name))
    with pytest.raises(WorkspaceError, match="not there any more"):
        commit_parts(ws, "stage1", [part])
    assert tables.version(ws, "stage1") == 0
