"""Draws: every verdict has about as many clips, and the weights give back what is there."""

import itertools
from collections import Counter

import pyarrow as pa
import pytest

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.labelling.sampling import allocate, draw_clips, label_candidates, strata_of
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage
from tests.tasks.labelling import made

COUNTS = {"good": 40, "noisy": 20, "dark": 6, "bright": 2, "silent": 5}


@pytest.fixture
def ws(tmp_path) -> Workspace:
    return made.make(tmp_path, COUNTS)


def kinds(drawn) -> Counter[str]:
    return Counter(clip.row["speaker"].rstrip("0123456789") for clip in drawn.clips)


def test_clip_belongs_to_its_rarest_verdict(ws):
    strata = strata_of(label_candidates(tables.read(ws, "clips"), footage.POLICY))
    sizes = {
        name: Counter(clip.row["speaker"].rstrip("0123456789") for clip in of_it) for name, of_it in strata.items()
    }
    assert sizes == {
        "stage1 admitted": {"good": 40},  # 48 clips have this verdict, 65 the other of theirs
        "stage1 noisy": {"noisy": 20},
        "stage2 admitted": {"silent": 5},
        "stage2 too_bright": {"bright": 2},
        "stage2 too_dark": {"dark": 6},
    }


@pytest.mark.parametrize(
    ("left", "done", "count", "expected"),
    [
        ({"a": 100, "b": 100}, {}, 10, {"a": 5, "b": 5}),
        ({"a": 100, "b": 2, "c": 100}, {}, 12, {"a": 5, "b": 2, "c": 5}),
        ({"a": 100, "b": 90}, {}, 3, {"a": 2, "b": 1}),
        ({"a": 100, "b": 100}, {"a": 4}, 6, {"a": 1, "b": 5}),
        ({"a": 2, "b": 1}, {}, 50, {"a": 2, "b": 1}),
        ({"a": 0, "b": 3}, {"a": 9}, 2, {"a": 0, "b": 2}),
    ],
)
def test_allocation_is_balanced(left, done, count, expected):
    assert allocate(left, done, count) == expected


def test_draw_is_balanced_and_stored_with_what_each_clip_stands_for(ws):
    drawn = draw_clips(ws, footage.POLICY, 20)
    assert kinds(drawn) == {"good": 5, "noisy": 5, "dark": 4, "silent": 4, "bright": 2}
    rows = tables.read(ws, "draws").to_pylist()
    assert {row["clip_id"] for row in rows} == {clip.clip_id for clip in drawn.clips}
    per_stratum = Counter(row["stratum"] for row in rows)
    assert sum(row["population"] / per_stratum[row["stratum"]] for row in rows) == pytest.approx(sum(COUNTS.values()))
    assert {row["frame_clips"] for row in rows} == {73}
    assert all(Stage.STAGE1 not in clip.reasons for clip in drawn.clips if clip.row["speaker"].startswith("silent"))


def test_same_seed_draws_the_same_and_another_does_not(ws):
    first = draw_clips(ws, footage.POLICY, 20, seed=3)
    again = draw_clips(ws, footage.POLICY, 20, seed=3)
    assert (again.draw, [clip.clip_id for clip in again.clips]) == (first.draw, [clip.clip_id for clip in first.clips])
    assert tables.read(ws, "draws").num_rows == 20
    assert draw_clips(ws, footage.POLICY, 20, seed=4).draw != first.draw


def test_order_is_random_over_strata(ws):
    order = [clip.row["speaker"].rstrip("0123456789") for clip in draw_clips(ws, footage.POLICY, 20).clips]
    assert sum(one != other for one, other in itertools.pairwise(order)) > 8  # 4 if strata came in turn


def test_each_clip_of_a_stratum_is_drawn_as_often(ws):
    rows, counts = label_candidates(tables.read(ws, "clips"), footage.POLICY), Counter[str]()
    dark = {clip.clip_id for clip in rows if clip.row["speaker"].startswith("dark")}
    for seed in range(30):
        counts.update(clip.clip_id for clip in draw_clips(ws, footage.POLICY, 10, seed).clips if clip.clip_id in dark)
    assert sum(counts.values()) == 30 * 2
    assert set(counts) == dark and max(counts.values()) < 3 * min(counts.values())


def test_answered_clips_are_not_drawn_again_until_footage_or_policy_change(ws):
    first = draw_clips(ws, footage.POLICY, 20)
    complete, partial = first.clips[:15], next(clip for clip in first.clips[15:] if len(clip.reasons) == 2)
    for clip in complete:
        made.answer(ws, clip.row, dict.fromkeys(clip.reasons, True), first.draw)
    made.answer(ws, partial.row, {Stage.STAGE1: True}, first.draw)
    made.answer(ws, first.clips[-1].row, dict.fromkeys(first.clips[-1].reasons, True))  # by hand: of nobody's asking
    second = draw_clips(ws, footage.POLICY, 58)
    assert {clip.clip_id for clip in second.clips} == {row["clip_id"] for row in made.stored(ws)} - {
        clip.clip_id for clip in complete
    }
    tables.update_columns(
        ws, "clips", pa.table({"clip_id": [partial.clip_id], "stage1_reasons": [["straddles_splits"]]})
    )
    assert len(draw_clips(ws, footage.POLICY, 100).clips) == 73  # other clips can be used: a frame of its own


def test_nothing_left_to_draw_is_said(tmp_path):
    ws = made.make(tmp_path, {"good": 1})
    (clip,) = draw_clips(ws, footage.POLICY, 5).clips
    store_labels(
        ws,
        [NewLabel(clip.clip_id, clip.row["media_id"], stage, True, "fit", "Ann", "d") for stage in clip.reasons],
    )
    with pytest.raises(NotFoundError, match="no clip is left"):
        draw_clips(ws, footage.POLICY, 5)
