"""Comparison of a listing with the catalog: the same as by plain dicts, however it is cut into parts."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog, plan
from heterodub.tasks.ingestion.catalog import LABELS, RETRIED, Row
from heterodub.tasks.ingestion.plan import plan_run
from heterodub.tasks.sources.listing import listing_batches, raw_files
from heterodub.tasks.stores import row_spool

EXTRACTOR = "1-mesh"


def by_dicts(
    files: Iterable[RawFile],
    rows: dict[str, Row],
    retry_quarantined: bool,
    is_gone: Callable[[Iterable[str]], frozenset[str]],
) -> tuple[set[RawFile], set[RawFile], int, set[str], int]:
    """The reference: fresh and relabelled files, the number of others, uris with labels, speakers lost."""
    listed: dict[str, RawFile] = {}
    for raw in files:
        listed.setdefault(raw.uri, raw)

    def needs_work(raw: RawFile, row: Row) -> bool:
        if (row["stamp"], row["extractor"], row["offset_s"]) != (raw.stamp, EXTRACTOR, raw.offset_s):
            return True
        if row["state"] != FileState.QUARANTINED or raw.refusal is not None:
            return False
        return retry_quarantined or row["reason"] in RETRIED

    changed = {uri for uri, raw in listed.items() if uri not in rows or needs_work(raw, rows[uri])}
    standing = {
        row["media_id"]: uri for uri, row in rows.items() if row["state"] != FileState.DUPLICATE and uri not in changed
    }
    copies = {
        uri: standing.get(rows[uri]["media_id"])
        for uri in listed.keys() & rows.keys()
        if rows[uri]["state"] == FileState.DUPLICATE
    }
    unsound = {None, *is_gone({uri for uri in copies.values() if uri is not None and uri not in listed})}
    changed |= {uri for uri, stands in copies.items() if stands in unsound}
    done = [raw for uri, raw in listed.items() if uri not in changed]
    relabelled = {raw for raw in done if any(rows[raw.uri][label] != getattr(raw, label) for label in LABELS)}
    labelled = {raw.uri for raw in done if any(getattr(raw, label) for label in LABELS if label != "corpus")}
    lost = sum(raw.speaker is None and rows[raw.uri]["speaker"] is not None for raw in relabelled)
    fresh = {raw for uri, raw in listed.items() if uri in changed}
    return fresh, relabelled, len(done) - len(relabelled), labelled, lost


def drawn_row(chance: random.Random, number: int) -> Row:
    """A row as an ingest may have left it; several of one content, copies without an original, copies of copies."""
    raw = drawn_file(chance, number)
    media = f"m{chance.randrange(12)}"
    extractor = chance.choice([EXTRACTOR] * 6 + ["0-mesh"])
    match chance.randrange(4):
        case 0:
            return catalog.duplicate_row(raw, extractor, media, "/elsewhere")
        case 1:
            reason = chance.choice(sorted(FileReason))
            return catalog.refused_row(raw, extractor, MediaRefusedError(reason), chance.choice([None, media]))
    row = catalog.refused_row(raw, extractor, MediaRefusedError(FileReason.NO_FACE), media)
    return row | {"state": "measured", "reason": None, "clips": 1}


def drawn_file(chance: random.Random, number: int) -> RawFile:
    return RawFile(
        f"/films/{number}.mp4",
        1,
        chance.choice(["1"] * 9 + ["2"]),
        chance.choice(["a"] * 9 + ["b"]),
        chance.choice([None, "", "ann", "ann", "ben"]),
        licence=chance.choice([None] * 5 + ["CC0"]),
        consent=chance.choice([None] * 5 + ["given"]),
        language=chance.choice([None] * 5 + ["en"]),
        offset_s=chance.choice([0.0] * 9 + [0.2]),
        refusal=chance.choice([None] * 9 + [FileReason.LINK_OUTSIDE]),
        within=chance.choice([None, "/films"]),
    )


def drawn_listing(chance: random.Random, rows: dict[str, Row]) -> list[RawFile]:
    """Files of the catalog, most as they were, some twice, and others."""
    known = [replace(catalog.raw_of(row), within="/films") for row in rows.values() if chance.random() < 0.7]
    files = [
        *(raw for raw in known if chance.random() < 0.8),
        *(drawn_file(chance, number) for number in range(60) if chance.random() < 0.3),
    ]
    chance.shuffle(files)
    return files


@pytest.mark.parametrize("seed", range(40))
def test_plan_run_equals_plain_dicts(seed, monkeypatch):
    chance = random.Random(seed)
    part_rows = chance.choice([1, 7, 1000])
    monkeypatch.setattr(plan, "PART_ROWS", part_rows)
    monkeypatch.setattr(row_spool, "PART_ROWS", part_rows)
    monkeypatch.setattr("heterodub.tasks.sources.listing._BATCH_FILES", chance.choice([3, 1000]))
    rows = {row["uri"]: row for row in (drawn_row(chance, number) for number in range(40) if chance.random() < 0.8)}
    stored, step = catalog.catalog_table(list(rows.values())), chance.choice([3, 1000])
    files, retry = drawn_listing(chance, rows), chance.random() < 0.3
    lost = {uri for uri in rows if chance.random() < 0.2}

    def is_gone(uris: Iterable[str]) -> frozenset[str]:
        return frozenset(uris) & lost

    made = plan_run(files, lambda names: stored.select(names).to_batches(step), EXTRACTOR, retry, is_gone)
    fresh, relabelled, unchanged, labelled, speakers_lost = by_dicts(files, rows, retry, is_gone)
    assert (set(made.fresh), set(made.relabelled), made.unchanged) == (fresh, relabelled, unchanged)
    assert (len(made.fresh), len(made.relabelled)) == (len(fresh), len(relabelled))
    assert made.labelled.among({raw.uri for raw in files}) == labelled
    assert made.speakers_lost == speakers_lost


def test_raw_files_come_out_of_rows_as_they_went_in():
    files = [drawn_file(random.Random(number), number) for number in range(50)]
    (batch,) = listing_batches(files)
    assert list(raw_files(batch)) == files
    assert list(raw_files(batch.slice(3, 2))) == files[3:5]
    assert list(listing_batches([])) == []
