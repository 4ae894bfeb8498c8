"""A bucket's objects, listed by pages and by an S3 Inventory, against an endpoint that counts."""

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heterodub.schemas.errors import SourceError
from heterodub.schemas.records import RawFile
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import find_files
from heterodub.tasks.sources.open import check_source, source_files
from tests.s3_server import counted_s3

OBJECTS = {
    "films/ada/1.mp4": b"one",
    "films/ada/a b+c%41.mp4": b"two",
    "films/ben/ü.mp4": b"three",
    "films/folder/": b"",
    "films/space/heterodub.json": b"{}",
    "films/space/clips.parquet": b"rows of ours",
    "other/4.mp4": b"four",
}
MANIFEST = "s3://reports/footage/all/2026-11-29T01-00Z/manifest.json"


@pytest.fixture(scope="module")
def s3(tmp_path_factory) -> Iterator:
    with counted_s3(tmp_path_factory.mktemp("aws"), "footage", "reports") as (store, proxy):
        for key, content in OBJECTS.items():
            store.pipe_file(f"footage/{key}", content)
        yield store, proxy


def rows() -> list[dict]:
    """Rows of an inventory of the bucket, as Parquet has them."""
    return [
        {"bucket": "footage", "key": key, "size": len(data), "e_tag": hashlib.md5(data).hexdigest(), "storage": "COLD"}
        for key, data in OBJECTS.items()
    ]


def put(store, kind: str, schema: str, *parts: bytes, **changes) -> None:
    suffix = {"CSV": "csv.gz", "Parquet": "parquet"}.get(kind, "orc")
    files = []
    for number, data in enumerate(parts):
        key = f"footage/all/data/{number}.{suffix}"
        store.pipe_file(f"reports/{key}", data)
        files.append({"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()})
    manifest = {
        "sourceBucket": "footage",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": kind,
        "fileSchema": schema,
        "files": files,
    }
    store.pipe_file(MANIFEST.removeprefix("s3://"), json.dumps(manifest | changes).encode())


def csv_of(of: list[dict]) -> bytes:
    """As S3 writes them: every value quoted, keys encoded, no header."""
    lines = (
        ",".join(f'"{value}"' for value in ("footage", quote_plus(row["key"], "/"), row["size"], "2026", row["e_tag"]))
        for row in of
    )
    return gzip.compress("\n".join(lines).encode() + b"\n")


def put_csv(store, *parts: list[dict], **changes) -> None:
    put(store, "CSV", "Bucket, Key, Size, LastModifiedDate, ETag", *map(csv_of, parts), **changes)


def parquet_of(of: list[dict]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(of), sink)
    return sink.getvalue()


def listed(source: str) -> list[RawFile]:
    return sorted(source_files(source, "films"), key=lambda raw: raw.uri)


def test_pages_list_what_one_listing_would(s3, monkeypatch):
    store, _ = s3
    whole = listed("s3://footage")
    assert [raw.uri for raw in whole] == sorted(f"s3://footage/{key}" for key in OBJECTS if key.endswith(".mp4"))
    monkeypatch.setattr("heterodub.tasks.stores.remote._PAGE_OBJECTS", 2)
    assert listed("s3://footage") == whole
    (one,) = listed("s3://footage/films/ada/1.mp4")
    assert one == next(raw for raw in whole if raw.uri == one.uri)
    assert one.stamp == f"3-{store.info('footage/films/ada/1.mp4')['ETag']}"


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_inventory_lists_what_the_bucket_would_without_asking_it(s3, kind):
    store, proxy = s3
    expected = listed("s3://footage")
    if kind == "CSV":
        put_csv(store, rows()[:3], rows()[3:])
    else:
        put(store, kind, "message s3.inventory { }", parquet_of(rows()[:3]), parquet_of(rows()[3:]))
    proxy.asked.clear()
    proxy.fetched.clear()
    assert listed(MANIFEST) == expected
    assert proxy.asked["LIST"] == 0 and all(place.startswith("/reports/") for place in proxy.fetched)
    check_source(MANIFEST)


def test_corpus_takes_its_root_and_its_pattern_to_an_inventory(s3):
    store, _ = s3
    put_csv(store, rows())
    corpus = Corpus(root="s3://footage/films", inventory=MANIFEST, speaker="([a-z]+)/")
    assert {raw.uri.rsplit("/", 1)[-1]: raw.speaker for raw in find_files(corpus)} == {
        "1.mp4": "ada", "a b+c%41.mp4": "ada", "ü.mp4": "ben",
    }  # fmt: skip
    with pytest.raises(SourceError, match="is of the bucket footage, not of elsewhere"):
        list(find_files(Corpus(root="s3://elsewhere", inventory=MANIFEST)))
    with pytest.raises(ValueError, match="takes a root s3"):
        Corpus(root="/films", inventory=MANIFEST)


def test_old_versions_and_what_was_deleted_are_left_out(s3):
    store, _ = s3
    first, second, third, *_ = rows()
    current = {"is_latest": True, "is_delete_marker": False}
    deleted = third | {"is_latest": True, "is_delete_marker": True, "size": None, "e_tag": None}
    versions = [first | current, second | current | {"is_latest": False}, deleted]
    put(store, "Parquet", "message s3.inventory { }", parquet_of(versions))
    assert [raw.uri for raw in listed(MANIFEST)] == ["s3://footage/films/ada/1.mp4"]


def test_wrong_rows_are_all_counted_and_named_before_anything_is_listed(s3):
    store, _ = s3
    right, *_ = rows()
    wrong = [right | {"size": "many"}, right | {"e_tag": ""}, right | {"key": ""}]
    put_csv(store, [right, *wrong], [right] * 3 + [wrong[0]] * 20)
    with pytest.raises(SourceError, match="23 of 27 rows are wrong") as error:
        next(source_files(MANIFEST))
    assert "0.csv.gz row 2: its size is no number of bytes" in str(error.value)
    assert "0.csv.gz row 3: it has no ETag" in str(error.value)
    assert "1.csv.gz row 4: its size" in str(error.value) and "and 13 more" in str(error.value)


def test_damaged_files_and_other_formats_are_named(s3):
    store, _ = s3
    put_csv(store, rows())
    store.pipe_file("reports/footage/all/data/0.csv.gz", csv_of(rows()[:2]))
    with pytest.raises(SourceError, match=r"0\.csv\.gz is not the file that .* names"):
        list(source_files(MANIFEST))
    store.rm_file("reports/footage/all/data/0.csv.gz")
    with pytest.raises(SourceError, match=r"0\.csv\.gz"):
        list(source_files(MANIFEST))
    put(store, "ORC", "struct<>", b"")
    with pytest.raises(SourceError, match="its files are ORC"):
        check_source(MANIFEST)
    put(store, "CSV", "Bucket, Key, Size", b"")
    with pytest.raises(SourceError, match="has no ETag: add"):
        check_source(MANIFEST)
    store.pipe_file("reports/manifest.json", b'{"files": []}')
    with pytest.raises(SourceError, match="is not the manifest of an S3 Inventory"):
        check_source("s3://reports/manifest.json")
    with pytest.raises(SourceError, match="none"):
        check_source("s3://reports/none/manifest.json")


def test_manifest_that_was_copied_here_speaks_of_the_bucket(s3, tmp_path):
    store, _ = s3
    put_csv(store, rows())
    store.get_file(MANIFEST.removeprefix("s3://"), str(tmp_path / "manifest.json"))
    assert listed(str(tmp_path / "manifest.json")) == listed("s3://footage")
