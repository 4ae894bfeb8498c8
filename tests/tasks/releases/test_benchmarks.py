"""Benchmarks: frozen once, never changed in silence, noticed when their clips are."""

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest

from heterodub.schemas.errors import PromotionError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.training.talkers import add_media, damage, publish, talkers


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Workspace:
    return talkers(tmp_path_factory.mktemp("talkers") / "ws", speakers=4, clips=6, frames=20)


@pytest.fixture
def ws(made, tmp_path) -> Workspace:
    return Workspace.open(str(shutil.copytree(made.root, tmp_path / "ws")))


def freeze(ws: Workspace, **how):
    return benchmarks.freeze(ws, releases.latest(ws), Stage.STAGE1, "a test", **how)


def verify(ws: Workspace, result) -> None:
    benchmarks.verify(ws, result, tables.version(ws, "stage1"))


def test_benchmark_is_the_test_split_with_few_clips_per_speaker(ws):
    frozen_benchmark = freeze(ws)
    assert {clip.speaker for clip in frozen_benchmark.clips} == {"speaker 2"}
    assert len(frozen_benchmark.clips) == benchmarks.CLIPS_A_SPEAKER
    assert len({clip.content for clip in frozen_benchmark.clips}) == len(frozen_benchmark.clips)
    verify(ws, frozen_benchmark)


def test_benchmark_excludes_later_footage_until_refrozen(ws):
    first = freeze(ws)
    add_media(ws, 6, 2, 20)
    publish(ws)
    assert freeze(ws) == first
    second = freeze(ws, refreeze=True)
    assert second.benchmark != first.benchmark and second.sequence == 2
    assert {clip.speaker for clip in second.clips} == {"speaker 2", "speaker 6"}
    assert freeze(ws) == second
    verify(ws, second)


def test_benchmark_is_frozen_from_the_newest_release(ws):
    old = releases.latest(ws)
    add_media(ws, 6, 2, 20)
    publish(ws)
    frozen_benchmark = benchmarks.freeze(ws, old, Stage.STAGE1, "a test")
    assert frozen_benchmark.release == releases.latest(ws).release_id != old.release_id
    assert {clip.speaker for clip in frozen_benchmark.clips} == {"speaker 2", "speaker 6"}


def test_same_clips_are_the_same_benchmark(ws):
    first = freeze(ws)
    assert freeze(ws, refreeze=True) == first
    assert tables.read(ws, "benchmarks").num_rows == len(first.clips)


def test_another_extractor_begins_another_benchmark_line(ws):
    release = releases.latest(ws)
    other = benchmarks.freeze(ws, replace(release, extractor="9-other"), Stage.STAGE1, "a test")
    assert other.benchmark != freeze(ws).benchmark
    assert benchmarks.standing(ws, Stage.STAGE1, "9-other") == other


def test_changed_content_is_detected(ws):
    frozen_benchmark = freeze(ws)
    damage(ws, 2, 20, 1.0)
    with pytest.raises(PromotionError, match="with other content"):
        verify(ws, frozen_benchmark)


def test_missing_clip_is_detected(ws):
    frozen_benchmark = freeze(ws)
    tables.delete_rows(ws, "stage1", "clip_id", [frozen_benchmark.clips[0].clip_id])
    with pytest.raises(PromotionError, match="not stored any more"):
        verify(ws, frozen_benchmark)


@pytest.mark.parametrize("how", ["deleted", "changed"])
def test_tampered_row_is_detected(ws, how):
    frozen_benchmark = freeze(ws)
    clip = frozen_benchmark.clips[0].clip_id
    if how == "deleted":
        tables.delete_rows(ws, "benchmarks", "clip_id", [clip])
    else:
        tables.update_columns(ws, "benchmarks", pa.table({"clip_id": [clip], "speaker": ["somebody else"]}))
    with pytest.raises(PromotionError, match="not whole any more"):
        freeze(ws)
    assert freeze(ws, refreeze=True).benchmark == frozen_benchmark.benchmark


def test_missing_test_split_cannot_be_frozen(ws):
    with pytest.raises(PromotionError, match=r"no stage1 clip in its test split"):
        benchmarks.freeze(ws, replace(releases.latest(ws), file_lists=(), extractor="9-other"), Stage.STAGE1, "a test")


def test_benchmark_speakers_are_held_out_of_training(ws):
    assert not benchmarks.held_out(ws).speakers
    frozen_benchmark = freeze(ws)
    held = benchmarks.held_out(ws)
    clip = frozen_benchmark.clips[0]
    assert held.holds(clip.clip_id, "other", "other", "other")
    assert held.holds("other", clip.media_id, "other", "other")
    assert held.holds("other", "other", "speaker 2", "other")
    assert held.holds("other", "other", "other", clip.split_group)
    assert not held.holds("other", "other", "speaker 1", "speaker 1")


def test_speaker_later_assigned_a_frozen_clip_is_held_out(ws):
    frozen_benchmark = freeze(ws)
    given = frozen_benchmark.clips[0].media_id
    clips = tables.read(ws, "clips", ["clip_id", "media_id"]).to_pylist()
    changed = [{"clip_id": clip["clip_id"], "speaker": "somebody"} for clip in clips if clip["media_id"] == given]
    tables.update_columns(ws, "clips", pa.Table.from_pylist(changed))
    held = benchmarks.held_out(ws)
    assert {"speaker 2", "somebody"} <= held.speakers
    assert held.holds("another clip", "another file", "somebody", "somebody")
    assert freeze(ws) == frozen_benchmark


def name_people(ws: Workspace, people: dict[str, str]) -> None:
    """State of speakers who they are, as if their faces had been measured, and publish."""
    rows = tables.read(ws, "clips", ["clip_id", "speaker"]).to_pylist()
    named = [{"clip_id": row["clip_id"], "person": people.get(row["speaker"])} for row in rows]
    tables.update_columns(
        ws, "clips", pa.Table.from_pylist(named, tables.read(ws, "clips", ["clip_id", "person"]).schema)
    )
    publish(ws)


def test_person_of_two_names_has_the_clips_of_one_speaker(ws):
    add_media(ws, 6, 6, 20)
    publish(ws)
    stated = freeze(ws)
    assert (len(stated.clips), benchmarks.scored(ws, stated).speakers) == (2 * benchmarks.CLIPS_A_SPEAKER, 2)
    name_people(ws, {"speaker 2": "p", "speaker 6": "p"})
    scored = benchmarks.scored(ws, stated)  # found out later: frozen as it was, and counted as one
    assert (len(scored.clips), {clip.speaker for clip in scored.clips}) == (len(stated.clips), {"p"})
    assert freeze(ws) == stated
    assert len(freeze(ws, refreeze=True).clips) == benchmarks.CLIPS_A_SPEAKER
    counts = releases.latest(ws).counts["stage1"]["test"]
    assert (counts["clips"], counts["speakers"]) == (12, 1)
