"""Copies of some footage, found from clusters and new clips, equal those of a comparison of all clips with all."""

import random

import pytest

from heterodub.schemas.config.sections import SplitSettings
from heterodub.tasks.releases.copies import copies_of
from heterodub.tasks.releases.fingerprints import COLUMNS
from heterodub.tasks.releases.near_duplicates import find_near_copies
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.releases.test_clusters import chained_rows
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace


def _of_all_with_all(ws: Workspace, media: frozenset[str]) -> frozenset[str]:
    rows = tables.read(ws, "clips", COLUMNS)
    first = find_near_copies(rows).near_copy_of
    of = dict(zip(rows["clip_id"].to_pylist(), rows["media_id"].to_pylist(), strict=True))
    joined = {first.get(clip, clip) for clip, its in of.items() if its in media}
    return frozenset(its for clip, its in of.items() if first.get(clip, clip) in joined) - media


@pytest.mark.parametrize("published", [0.0, 0.6, 1.0])
def test_copies_equal_those_of_all_clips_with_all(tmp_path, published: float):
    chance, ws, rows, found = random.Random(1), new_workspace(tmp_path), chained_rows(3, films=8), 0
    chance.shuffle(rows)
    before = round(published * len(rows))
    if before:
        tables.append_rows(ws, "clips", sample.clips(*rows[:before]))
        assign(ws, SplitSettings())
    if rows[before:]:
        tables.append_rows(ws, "clips", sample.clips(*rows[before:]))
    for row in rows[::3]:
        media = frozenset({row["media_id"]})
        assert copies_of(ws, media) == _of_all_with_all(ws, media)
        found += len(copies_of(ws, media))
    assert found > 2
    some = frozenset(row["media_id"] for row in rows[::5])
    assert copies_of(ws, some) == _of_all_with_all(ws, some)
    assert copies_of(ws, frozenset()) == frozenset()


def test_copies_in_use_of_footage_that_only_stands_by_are_found(tmp_path):
    ws, rows = new_workspace(tmp_path), chained_rows(3, films=8)
    first, second = next(
        (one, other)
        for one in rows
        for other in rows
        if one is not other and one["face_motion"] == other["face_motion"]
    )
    tables.append_rows(ws, "clips", sample.clips(second))
    assign(ws, SplitSettings())
    tables.append_rows(ws.of_line("beside"), "clips", sample.clips(first))
    assert copies_of(ws, frozenset({first["media_id"]})) == {second["media_id"]}
