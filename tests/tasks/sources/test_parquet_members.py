"""Cells of Parquet tables: listed with the labels of their rows, readable at their addresses, within limits."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.members import Member
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media import parquet_rows
from heterodub.tasks.media.paths import content_of, fingerprint, localise
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.sources.open import source_files
from tests.tasks.sources.archives import FILMS, LABELS, reasons, write


@pytest.mark.parametrize("feature", ["Video", "Image"])
def test_hugging_face_table_is_read_row_by_row(tmp_path, feature, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    kinds = {name: datasets.Value("string") for name in LABELS} | {"speaker": datasets.ClassLabel(names=["Bob", "Ada"])}
    features = datasets.Features({"media": getattr(datasets, feature)(decode=False), **kinds})
    media = [{"bytes": data, "path": f"{name}.mp4"} for name, data in FILMS.items()]
    media.append({"bytes": None, "path": "/etc/passwd"})
    columns = {"media": media} | {name: [value] * 4 for name, value in LABELS.items()}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "train-00000.parquet")
    for source in (tmp_path, tmp_path / "train-00000.parquet"):
        *films, elsewhere = source_files(str(source))
        assert elsewhere.refusal is FileReason.NOT_FOUND
        assert "/etc/passwd" in elsewhere.refusal_detail
        for raw, data in zip(films, FILMS.values(), strict=True):
            assert {name: getattr(raw, name) for name in LABELS} == LABELS
            with localise(raw.uri, tmp_path) as copy:
                assert copy.read_bytes() == data


def test_table_without_media_stays_a_file(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "table.parquet")
    assert reasons(tmp_path) == {"table.parquet": None}


def test_rows_of_a_table_that_shrank_are_gone(tmp_path):
    films = [{"bytes": data, "path": None} for data in FILMS.values()]
    pq.write_table(pa.table({"video": films}), tmp_path / "x.parquet", row_group_size=2)
    uris = [raw.uri for raw in source_files(str(tmp_path))]
    assert [content_of(uri) for uri in uris] == [fingerprint(write(tmp_path / "f", data)) for data in FILMS.values()]
    pq.write_table(pa.table({"video": films[:1]}), tmp_path / "x.parquet")
    assert gone(uris) == set(uris[1:])
    with pytest.raises(MediaRefusedError, match="changed"):
        content_of(uris[2])


def test_path_that_is_no_text_is_no_media(tmp_path):
    pq.write_table(pa.table({"video": [{"bytes": b"film", "path": 5}]}), tmp_path / "x.parquet")
    assert reasons(tmp_path) == {"x.parquet": None}


def test_label_stored_once_for_all_rows_takes_no_memory_for_each(tmp_path):
    """One entry of a dictionary, which 400 rows share, in a file of two kilobytes."""
    films = pa.array([{"bytes": b"film", "path": "a.mp4"}] * 400)
    speakers = pa.DictionaryArray.from_arrays(pa.array([0] * 400), ["x" * 1_000_000])
    table = pa.table({"video": films, "speaker": speakers})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "x.parquet").stat().st_size < 3000
    arrow = pa.default_memory_pool()
    before = arrow.max_memory()
    files = list(source_files(str(tmp_path)))
    assert arrow.max_memory() <= max(before, 150_000_000)
    assert {(raw.refusal, raw.speaker) for raw in files} == {(FileReason.LABELS_UNREADABLE, None)}


def test_label_that_is_a_list_is_refused_unread(tmp_path):
    table = pa.table({"video": [{"bytes": b"film", "path": "a.mp4"}], "speaker": [["Ada"]], "language": ["en"]})
    pq.write_table(table, tmp_path / "x.parquet")
    assert reasons(tmp_path) == {"a.mp4": FileReason.LABELS_UNREADABLE}


def test_long_path_is_refused(tmp_path):
    pq.write_table(pa.table({"video": [{"bytes": b"film", "path": "a" * 9000}]}), tmp_path / "x.parquet")
    (raw,) = source_files(str(tmp_path))
    assert raw.refusal is FileReason.DAMAGED_ARCHIVE
    assert "9000 letters" in raw.refusal_detail


@pytest.mark.parametrize("statistics", [True, False])
def test_cell_that_unpacks_to_far_more_than_the_file_is_refused(tmp_path, statistics, monkeypatch):
    monkeypatch.setattr(parquet_rows, "_FREE_BYTES", 1 << 20)
    pq.write_table(
        pa.table({"video": [{"bytes": bytes(4_000_000), "path": "a.mp4"}]}),
        tmp_path / "x.parquet",
        compression="zstd",
        write_statistics=statistics,
    )
    (raw,) = source_files(str(tmp_path))
    assert raw.refusal is FileReason.DAMAGED_ARCHIVE
    assert "claim to unpack" in raw.refusal_detail
    with pytest.raises(MediaRefusedError, match="claim to unpack"):
        content_of(Member("parquet", str(tmp_path / "x.parquet"), 0, "a.mp4", "video").address)


@pytest.mark.parametrize("limit", ["_COLUMN_BYTES", "_TEXT_BYTES"])
@pytest.mark.parametrize("column", [["x" * 2000], pa.array(["x" * 2000]).dictionary_encode()])
def test_label_column_of_more_than_its_limit_is_refused(tmp_path, monkeypatch, limit, column):
    monkeypatch.setattr(parquet_rows, limit, 1000)
    films = [{"bytes": b"film", "path": "a.mp4"}]
    pq.write_table(pa.table({"video": films, "speaker": column}), tmp_path / "x.parquet")
    (raw,) = source_files(str(tmp_path))
    assert raw.refusal is FileReason.DAMAGED_ARCHIVE
    assert "at most 1000" in raw.refusal_detail
