"""Clusters of near-copies, kept up to date from new clips alone."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from heterodub.schemas.config.sections import SplitSettings
from heterodub.tasks.releases import clusters, near_duplicates
from heterodub.tasks.releases.fingerprints import COLUMNS
from heterodub.tasks.releases.near_duplicates import find_near_copies
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.releases.splits import place_of
from heterodub.tasks.stores import tables, vacuum
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace


def _noisy(chance, data, rate):
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    return np.packbits(bits ^ (chance.random(len(bits)) < rate)).tobytes()


def chained_rows(seed: int, films: int = 12) -> list[dict]:
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


def _measured_anew(row: dict, other: dict) -> dict:
    return row | {"picture_hash": other["picture_hash"]}


def _clusters(ws: Workspace) -> tuple[dict[str, str], dict[str, str]]:
    rows = tables.read(ws, "clips", ["clip_id", "near_copy_of", "same_scene_as"]).to_pylist()
    return tuple({row["clip_id"]: row[name] for row in rows if row[name]} for name in ("near_copy_of", "same_scene_as"))


def _expected(ws: Workspace) -> tuple[dict[str, str], dict[str, str]]:
    found = find_near_copies(tables.read(ws, "clips", COLUMNS))
    return found.near_copy_of, found.same_scene_as


@pytest.mark.parametrize("seed", range(2))
def test_clusters_equal_those_of_all_clips_in_any_order_of_arrival_and_after_deletions(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(near_duplicates, "BLOCK", 7)
    chance, ws, rows = random.Random(seed), new_workspace(tmp_path), chained_rows(seed)
    chance.shuffle(rows)
    joined, row_of = 0, {row["media_id"]: row for row in rows}
    while rows:
        count = chance.randint(1, 14)
        tables.append_rows(ws, "clips", sample.clips(*rows[:count]))
        rows = rows[count:]
        there = sorted(tables.read(ws, "clips", ["media_id"])["media_id"].to_pylist())
        some = chance.sample(there, min(4, len(there) - 1))
        if chance.random() < 0.5:
            tables.delete_rows(ws, "clips", "media_id", some)
            rows += [row_of[media] for media in some if chance.random() < 0.4]  # these come back
        elif some:
            measured = [_measured_anew(row_of[media], row_of[chance.choice(there)]) for media in some]
            tables.replace_rows(ws, "clips", sample.clips(*measured), "media_id")
        assign(ws, SplitSettings())
        assert _clusters(ws) == _expected(ws)
        joined += len(_expected(ws)[1])
    assert joined and assign(ws, SplitSettings()).changed == 0


def _chain() -> list[dict]:
    """Three clips; the middle one matches both others, which do not match."""
    chance = np.random.default_rng(1)
    picture = np.unpackbits(np.frombuffer(chance.bytes(40), np.uint8))
    rows = []
    for number in range(3):  # 20 bits from one to the next, 40 from the first to the last
        bits = picture.copy()
        bits[np.arange(20 * number) * 64 // 5 % 320 + np.arange(20 * number) // 25] ^= 1
        fresh = {"split": None, "split_group": None, "sound_hash": b"", "face_motion": b""}
        rows.append(sample.clip_row(number, picture_hash=np.packbits(bits).tobytes(), **fresh))
    return rows


def test_lost_clip_that_held_a_cluster_together_divides_it_and_leaves_no_pair(tmp_path):
    ws, rows = new_workspace(tmp_path), _chain()
    tables.append_rows(ws, "clips", sample.clips(*rows))
    assign(ws, SplitSettings())
    assert len(_clusters(ws)[1]) == 2
    middle = rows[1]["media_id"]
    tables.delete_rows(ws, "clips", "media_id", [middle])
    assign(ws, SplitSettings())
    assert _clusters(ws) == ({}, {})
    assert tables.read(ws, "near_pairs").num_rows == 0
    assert vacuum.erase(ws, "near_pairs") and not vacuum.strays(ws, "near_pairs", "media_id", [middle])


def _alike(count: int, speakers: list[str]) -> list[dict]:
    fresh = {
        "split": None,
        "split_group": None,
        "sound_hash": b"",
        "face_motion": b"",
        "picture_hash": bytes(range(40)),
    }
    return [sample.clip_row(number, speaker=speakers[number], **fresh) for number in range(count)]


def _pairs(ws: Workspace) -> list[tuple[str, str]]:
    rows = tables.read(ws, "near_pairs", ["clip_id", "other_id"]).to_pylist()
    return sorted((row["clip_id"], row["other_id"]) for row in rows)


def _admitted_splits(ws: Workspace) -> set[str]:
    rows = tables.read(ws, "clips", ["split"], filter=pc.field("stage1"))
    return set(rows["split"].to_pylist())


@pytest.mark.parametrize("which", range(3))
def test_clip_of_a_cluster_that_is_measured_anew_is_compared_with_the_others(tmp_path, which):
    ws = new_workspace(tmp_path)
    for_test, *for_train = sorted((f"speaker {n}" for n in range(99)), key=place_of)
    rows = sorted(_alike(3, for_train[-3:]), key=lambda row: row["clip_id"])
    apart = sample.clip_row(7, speaker=for_test, split=None, split_group=None)
    tables.append_rows(ws, "clips", sample.clips(*rows, apart))
    assign(ws, SplitSettings())
    pairs = _pairs(ws)
    assert pairs and _admitted_splits(ws) == {"train", "test"}
    tables.replace_rows(ws, "clips", sample.clips(rows[which] | {"speaker": for_test}), "media_id")
    assign(ws, SplitSettings())
    kept = tables.read(ws, "clips", ["media_id", "stage1"]).to_pylist()
    assert [row["media_id"] for row in kept if not row["stage1"]] == [rows[which]["media_id"]]
    assert _clusters(ws) == _expected(ws) and _pairs(ws) == pairs


@pytest.mark.parametrize("which", range(2))
def test_clip_that_is_given_to_a_speaker_of_another_split_is_refused(tmp_path, which):
    ws = new_workspace(tmp_path)
    for_test, *for_train = sorted((f"speaker {n}" for n in range(99)), key=place_of)
    apart = sample.clip_row(7, speaker=for_test, split=None, split_group=None)
    rows = sorted(_alike(2, for_train[-2:]), key=lambda row: row["clip_id"])
    tables.append_rows(ws, "clips", sample.clips(*rows, apart))
    assign(ws, SplitSettings())
    moved = {"clip_id": [rows[which]["clip_id"]], "speaker": [for_test], "split_group": pa.nulls(1, pa.string())}
    tables.update_columns(ws, "clips", pa.table(moved))
    assign(ws, SplitSettings())
    refused = tables.read(ws, "clips", ["clip_id"], filter=~pc.field("stage1"))["clip_id"].to_pylist()
    assert refused == [rows[which]["clip_id"]]  # not the one that stayed where it was


@pytest.mark.parametrize("seed", range(2))
def test_clip_like_one_that_was_refused_is_compared_with_the_others_of_its_scene(tmp_path, seed):
    ws = new_workspace(tmp_path)
    for_test, *_, for_train = sorted((f"speaker {n}" for n in range(99)), key=place_of)
    apart = sample.clip_row(7, speaker=for_test, split=None, split_group=None)
    rows = _alike(4, [for_train, for_test, for_test, for_test])
    random.Random(seed).shuffle(rows)
    tables.append_rows(ws, "clips", sample.clips(apart, next(row for row in rows if row["speaker"] == for_train)))
    assign(ws, SplitSettings())
    for row in (row for row in rows if row["speaker"] == for_test):
        tables.append_rows(ws, "clips", sample.clips(row))
        assign(ws, SplitSettings())
    alike = tables.read(
        ws, "clips", ["speaker"], filter=pc.field("stage1") & (pc.field("media_id") != apart["media_id"])
    )
    assert alike["speaker"].to_pylist() == [for_train]


def _killed(ws: Workspace, monkeypatch) -> None:
    """Assign, as a process does that is killed once the pairs are stored."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tables, "update_columns", _raise)
        assign(ws, SplitSettings())


def _raise(*given):
    raise KeyboardInterrupt


def test_assignment_that_was_killed_is_made_up_for_by_the_next_one(tmp_path, monkeypatch):
    ws, rows = new_workspace(tmp_path), _chain()
    tables.append_rows(ws, "clips", sample.clips(*rows))
    _killed(ws, monkeypatch)
    assert len(_pairs(ws)) == 2
    assign(ws, SplitSettings())
    assert len(_pairs(ws)) == 2 and len(_clusters(ws)[1]) == 2
    tables.delete_rows(ws, "clips", "media_id", [rows[1]["media_id"]])
    _killed(ws, monkeypatch)
    assign(ws, SplitSettings())
    assert _clusters(ws) == ({}, {}) and _pairs(ws) == []


def test_pairs_that_two_runs_find_at_once_are_stored_once(tmp_path, monkeypatch):
    ws = new_workspace(tmp_path)
    tables.append_rows(ws, "clips", sample.clips(*_chain()))
    find, others = clusters.find_new_copies, []

    def found_meanwhile(*given):
        found = find(*given)
        if not others:
            others.append(True)
            assign(ws, SplitSettings())
        return found

    monkeypatch.setattr(clusters, "find_new_copies", found_meanwhile)
    assign(ws, SplitSettings())
    assert others and len(_pairs(ws)) == 2 == len(_clusters(ws)[1])


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
    assert pc.count(tables.read(ws, "clips", ["split"])["split"]).as_py() == 8
