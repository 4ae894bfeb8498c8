"""Clusters of near-copies, kept up to date from new clips alone."""

import random

import numpy as np
import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import SplitSettings
from heterodub.tasks.releases import near_duplicates
from heterodub.tasks.releases.fingerprints import COLUMNS
from heterodub.tasks.releases.near_duplicates import find_near_copies
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.stores import tables, vacuum
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace


def _noisy(chance, data, rate):
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    return np.packbits(bits ^ (chance.random(len(bits)) < rate)).tobytes()


def _rows(seed: int, films: int = 12) -> list[dict]:
    """Clips of films that share pictures, sounds or faces in chains: each resembles the one before more than others."""
    chance = np.random.default_rng(seed)
    rows = []
    for film in range(films):
        hashes = {"picture_hash": chance.bytes(40), "sound_hash": chance.bytes(4 * 80)}
        hashes["face_motion"] = chance.integers(-60, 60, (80, 4)).astype(np.int8).tobytes()
        for copy in range(chance.integers(1, 6)):
            number = 10 * film + int(copy)
            fresh = {"split": None, "split_group": None, "near_copy_of": None, "same_scene_as": None, "frames": 80}
            rows.append(sample.clip_row(number, **hashes, **fresh))
            hashes["picture_hash"] = _noisy(chance, hashes["picture_hash"], 0.03)
            hashes["sound_hash"] = _noisy(chance, hashes["sound_hash"], chance.choice([0.02, 0.6]))
            if chance.random() < 0.5:
                hashes["face_motion"] = chance.integers(-60, 60, (80, 4)).astype(np.int8).tobytes()
    return rows


def _clusters(ws: Workspace) -> tuple[dict[str, str], dict[str, str]]:
    rows = tables.read(ws, "clips", ["clip_id", "near_copy_of", "same_scene_as"]).to_pylist()
    return tuple({row["clip_id"]: row[name] for row in rows if row[name]} for name in ("near_copy_of", "same_scene_as"))


def _expected(ws: Workspace) -> tuple[dict[str, str], dict[str, str]]:
    found = find_near_copies(tables.read(ws, "clips", COLUMNS))
    return found.near_copy_of, found.same_scene_as


@pytest.mark.parametrize("seed", range(2))
def test_clusters_equal_those_of_all_clips_in_any_order_of_arrival_and_after_deletions(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(near_duplicates, "BLOCK", 7)
    chance, ws, rows = random.Random(seed), new_workspace(tmp_path), _rows(seed)
    chance.shuffle(rows)
    joined = 0
    while rows:
        count = chance.randint(1, 14)
        tables.append_rows(ws, "clips", sample.clips(*rows[:count]))
        rows = rows[count:]
        if chance.random() < 0.5:
            there = tables.read(ws, "clips", ["media_id"])["media_id"].to_pylist()
            tables.delete_rows(ws, "clips", "media_id", chance.sample(there, min(3, len(there) - 1)))
        assign(ws, SplitSettings())
        assert _clusters(ws) == _expected(ws)
        joined += len(_expected(ws)[1])
    assert joined and assign(ws, SplitSettings()).changed == 0


def test_lost_clip_that_held_a_cluster_together_divides_it_and_leaves_no_pair(tmp_path):
    ws = new_workspace(tmp_path)
    chance = np.random.default_rng(1)
    picture = np.unpackbits(np.frombuffer(chance.bytes(40), np.uint8))
    rows = []
    for number in range(3):  # the middle one is 20 bits from either, these are 40 from each other
        bits = picture.copy()
        bits[np.arange(20 * number) * 64 // 5 % 320 + np.arange(20 * number) // 25] ^= 1
        fresh = {"split": None, "split_group": None, "sound_hash": b"", "face_motion": b""}
        rows.append(sample.clip_row(number, picture_hash=np.packbits(bits).tobytes(), **fresh))
    tables.append_rows(ws, "clips", sample.clips(*rows))
    assign(ws, SplitSettings())
    assert len(_clusters(ws)[1]) == 2
    middle = rows[1]["media_id"]
    tables.delete_rows(ws, "clips", "media_id", [middle])
    assign(ws, SplitSettings())
    assert _clusters(ws) == ({}, {})
    assert tables.read(ws, "near_pairs").num_rows == 0
    assert vacuum.erase(ws, "near_pairs") and not vacuum.strays(ws, "near_pairs", "media_id", [middle])


def test_only_files_with_new_or_changed_clips_are_written(tmp_path):
    ws = new_workspace(tmp_path)
    fresh = {"split": None, "split_group": None}
    tables.append_rows(ws, "clips", sample.clips(*(sample.clip_row(number, **fresh) for number in range(5))))
    assign(ws, SplitSettings())
    before = set(tables.file_names(ws, "clips"))
    tables.append_rows(ws, "clips", sample.clips(*(sample.clip_row(number, **fresh) for number in range(5, 8))))
    assert assign(ws, SplitSettings()).changed == 3
    after = set(tables.file_names(ws, "clips"))
    assert before <= after and len(after) == 2
    assert pa.compute.count(tables.read(ws, "clips", ["split"])["split"]).as_py() == 8
