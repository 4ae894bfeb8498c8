"""Rows on disk, and their division into parts."""

import numpy as np
import pyarrow as pa

from heterodub.tasks.stores.row_spool import RowSpool, UriSet, divided, part_of, places_of_first, uris_among

URI = pa.schema([("uri", pa.string()), ("number", pa.int64())])


def spool_of(uris: list[str]) -> RowSpool:
    spool = RowSpool(URI)
    for start in range(0, len(uris), 7):
        some = uris[start : start + 7]
        spool.add(pa.record_batch([pa.array(some), pa.array(range(start, start + len(some)))], schema=URI))
    return spool


def test_rows_are_read_as_often_as_asked_and_by_several_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = spool_of([str(number) for number in range(50)])
    assert list(tmp_path.iterdir()) == [], "its file has no name"
    assert spool.rows == 50
    pairs = list(zip(spool, spool, strict=True))
    assert all(one == two for one, two in pairs) and len(pairs) == 8
    assert spool.table()["number"].to_pylist() == list(range(50))
    assert RowSpool(URI).table().num_rows == 0


def test_addresses_are_found_again():
    assert uris_among(spool_of(["a", "b", "c"]), {"b", "d"}) == {"b"}
    known = UriSet()
    assert known.among({"a"}) == frozenset()
    known = UriSet()
    known.add(pa.array(["a", "b"]))
    known.add(pa.chunked_array([["c"], ["d"]]))
    assert known.among({"a", "d", "e"}) == {"a", "d"}


def test_divided_keeps_equal_addresses_together_and_their_order():
    uris = [f"/{number % 40}" for number in range(200)]
    parts = [part.table() for part in divided(spool_of(uris), URI, 4)]
    assert sorted(number for part in parts for number in part["number"].to_pylist()) == list(range(200))
    for part in parts:
        assert part["number"].to_pylist() == sorted(part["number"].to_pylist()) and part.num_rows
    seen = [uri for part in parts for uri in set(part["uri"].to_pylist())]
    assert len(seen) == len(set(seen)) == 40


def test_places_of_first():
    assert places_of_first(pa.array(["b", "a", "b", "c", "a"])).to_pylist() == [0, 1, 3]


def test_part_of_divides_alike_wherever_a_text_stands():
    uris = [f"s3://footage/corpus/{number // 1000:05d}/take-{number:08d}.mp4" for number in range(20_000)] + ["", "ü"]
    parts = part_of(pa.array(uris), 16)
    assert (parts[5:] == part_of(pa.array(uris[5:]), 16)).all()
    assert (parts[7:9] == part_of(pa.array(uris).slice(7, 2), 16)).all()
    counts = np.bincount(parts, minlength=16)
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()
