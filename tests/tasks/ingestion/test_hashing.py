"""Files on their way to be known by their bytes: how they travel."""

from itertools import chain

from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion.hashing import bundles

MIB = 2**20


def listing(count: int, size_bytes: int = 1000) -> list[RawFile]:
    return [RawFile(f"/footage/{number:05d}.mp4", size_bytes, "1") for number in range(count)]


def test_small_files_of_a_long_list_travel_together():
    files = listing(5000)
    pieces = list(bundles(files, 2))
    assert list(chain.from_iterable(pieces)) == files
    assert {len(piece) for piece in pieces[:-1]} == {32}


def test_short_list_has_something_for_every_worker():
    assert [len(piece) for piece in bundles(listing(40), 2)] == [1] * 40
    assert len(list(bundles(listing(500), 2))) > 64
    assert len(list(bundles(listing(5000), 128))) > 4000
    assert list(bundles([], 2)) == []


def test_large_files_travel_alone_and_none_makes_a_bundle_too_large():
    assert {len(piece) for piece in bundles(listing(5000, 65 * MIB), 2)} == {1}
    sizes = [sum(raw.size_bytes for raw in piece) for piece in bundles(listing(5000, 7 * MIB), 2)]
    assert max(sizes) == 63 * MIB
