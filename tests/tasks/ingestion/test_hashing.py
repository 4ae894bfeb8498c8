"""Files on their way to be known by their bytes: how they travel, and what becomes of those that kill a worker."""

from functools import partial
from itertools import chain

import pytest

from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import hashing
from heterodub.tasks.ingestion.hashing import bundles, identify_files
from heterodub.tasks.monitoring.progress import ProgressSink

from . import executor_work as work

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


class Counting(ProgressSink):
    """Counts the steps that it is notified of."""

    steps = 0

    def advance(self, detail: str = "", share: float | None = None) -> None:
        self.steps += 1


@pytest.mark.parametrize(("count", "bad"), [(2000, 1234), (20, 7), (2000, None)], ids=["bundled", "alone", "none"])
def test_file_that_kills_its_worker_costs_its_neighbours_nothing(two_workers, settings, monkeypatch, count, bad):
    files = listing(count)
    killer = None if bad is None else files[bad]
    for name, kernel in (("identify_each", work.names_of), ("identify", work.name_of)):
        monkeypatch.setattr(hashing, name, partial(kernel, bad=killer.uri if killer else ""))
    counting = Counting()
    result = identify_files(two_workers, files, {}, settings, counting)
    assert {raw.uri for raw in result.resolution.originals.values()} == {raw.uri for raw in files if raw is not killer}
    refused = [(raw, why.reason) for raw, why in result.refused]
    assert refused == ([(killer, FileReason.WORKER_LOST)] if killer else [])
    assert counting.steps == count
