import random
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
import pytest

from heterodub.schemas.config.sections import SplitSettings
from heterodub.tasks.releases.splits import SPLITS, assign_splits, place_of

_SCHEMA = pa.schema(
    {
        "clip_id": pa.string(),
        "speaker": pa.string(),
        "stage1": pa.bool_(),
        "stage2": pa.bool_(),
        "stage1_reasons": pa.list_(pa.string()),
        "split": pa.string(),
        "split_group": pa.string(),
    }
)
_SETTINGS = SplitSettings()


def _row(clip, speaker, stages="12", split=None, group=None, reasons=()):
    flags = {"stage1": "1" in stages, "stage2": "2" in stages}
    given = {"split": split, "split_group": group, "stage1_reasons": list(reasons)}
    return {"clip_id": clip, "speaker": speaker, **flags, **given}


@dataclass(frozen=True)
class _ByClip:
    split: dict[str, str]
    group: dict[str, str]
    straddlers: tuple[str, ...]
    notes: tuple[str, ...]


def _plan(rows, pairs=(), settings=_SETTINGS):
    clips = pa.Table.from_pylist(rows, _SCHEMA)
    plan = assign_splits(clips, pairs, settings)
    ids = clips["clip_id"].to_pylist()
    columns = {name: dict(zip(ids, new.to_pylist(), strict=True)) for name, new in plan.columns(clips).items()}
    return _ByClip(columns["split"], columns["split_group"], plan.straddlers, plan.notes)


def _frozen(rows, plan):
    return [row | {"split": plan.split[row["clip_id"]], "split_group": plan.group[row["clip_id"]]} for row in rows]


def _random_rows(chance, speakers, first=0):
    stages = ["12", "1", "2", ""]
    return [
        _row(f"c{first + n}-{clip}", f"s{first + n}", chance.choice(stages))
        for n in range(speakers)
        for clip in range(chance.randint(1, 3))
    ]


def _speakers_with(rows, stage):
    return {row["speaker"] for row in rows if row[stage]}


def test_large_groups_train_and_small_ones_follow_their_hash():
    """Wherever its hash lies; what is frozen stays."""
    for seed in range(60):
        many = [f"{seed}-{number}" for number in range(30)]
        rows = [_row(f"m-{one}", one) for one in many] + [_row(f"o-{n}", f"other {seed}-{n}") for n in range(60)]
        joined = [(f"m-{one}", f"m-{other}") for one, other in pairwise(many)]
        plan = _plan(rows, joined)
        assert {plan.split[f"m-{one}"] for one in many} == {"train"}
        frozen = [row | {"split": "val", "split_group": many[0]} if row["speaker"] in many else row for row in rows]
        assert {_plan(frozen, joined).split[f"m-{one}"] for one in many} == {"val"}
    small = [_row(f"c{n}", f"s{n}") for n in range(400)]
    plan = _plan(small, [("c0", "c1")])
    edge = _SETTINGS.test_share + _SETTINGS.val_share
    by_hash = "train" if place_of("s0") >= edge else "test" if place_of("s0") < _SETTINGS.test_share else "val"
    assert plan.split["c1"] == by_hash


def test_no_clips_have_no_splits():
    assert _plan([]).split == {}


@pytest.mark.parametrize("speakers, expected", [(1, {"train"}), (2, {"train", "test"}), (3, set(SPLITS))])
def test_few_speakers_fill_the_splits_that_matter_most(speakers, expected):
    for seed in range(50):
        rows = [_row(f"c{n}", f"{seed}-{n}") for n in range(speakers)]
        assert set(_plan(rows).split.values()) == expected


def test_three_speakers_of_a_stage_always_fill_all_splits():
    for seed in range(300):
        chance = random.Random(seed)
        rows = _random_rows(chance, chance.randint(3, 30))
        plan = _plan(rows)
        for stage in ("stage1", "stage2"):
            filled = {plan.split[row["clip_id"]] for row in rows if row[stage]}
            count = len(_speakers_with(rows, stage))
            assert filled == ({"train"}, {"train", "test"}, set(SPLITS))[min(count, 3) - 1] if count else not filled, (
                seed
            )


def test_assignments_do_not_depend_on_the_order_of_rows_or_pairs():
    for seed in range(50):
        chance = random.Random(seed)
        rows = _random_rows(chance, 12)
        pairs = [tuple(chance.sample([row["clip_id"] for row in rows], 2)) for _ in range(4)]
        expected = _plan(rows, pairs)
        chance.shuffle(rows)
        chance.shuffle(pairs)
        assert _plan(rows, [pair[::-1] for pair in pairs]) == expected


def test_assigned_splits_stay_when_clips_arrive():
    for seed in range(100):
        chance = random.Random(seed)
        rows, pairs = [], []
        for arrival in range(4):
            rows += _random_rows(chance, chance.randint(2, 6), first=100 * arrival)
            pairs += [tuple(chance.sample([row["clip_id"] for row in rows], 2)) for _ in range(2)]
            plan = _plan(rows, pairs)
            for row in rows:
                assert row["split"] in (None, plan.split[row["clip_id"]])
            rows = _frozen(rows, plan)
            for row in rows:
                if row["clip_id"] in plan.straddlers:
                    row.update(stage1=False, stage2=False, stage1_reasons=["straddles_splits"])
        by_id = {row["clip_id"]: row for row in rows}
        for key in ("speaker", "split_group"):
            assert len({(row[key], row["split"]) for row in rows}) == len({row[key] for row in rows})
        for one, two in pairs:
            refused = "straddles_splits" in by_id[one]["stage1_reasons"] + by_id[two]["stage1_reasons"]
            assert refused or by_id[one]["split"] == by_id[two]["split"]


def test_splits_are_deterministic():
    rows = _random_rows(random.Random(1), 20)
    plan = _plan(rows, [("c1-0", "c2-0")])
    assert _plan(_frozen(rows, plan), [("c1-0", "c2-0")]) == plan


def test_many_speakers_follow_the_shares():
    plan = _plan([_row(f"c{n}", f"s{n}") for n in range(4000)])
    shares = {split: list(plan.split.values()).count(split) / 4000 for split in SPLITS}
    assert shares == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.02)
    assert plan.notes == ()


def test_near_copies_join_speakers_into_one_group():
    rows = [_row(f"c{n}", f"s{n}") for n in range(30)]
    plan = _plan(rows, [("c3", "c7"), ("c7", "c9")])
    assert plan.group["c3"] == plan.group["c7"] == plan.group["c9"] == "s3"
    assert plan.split["c3"] == plan.split["c7"] == plan.split["c9"]


def test_new_speaker_joins_the_frozen_group_it_copies():
    rows = [_row("a", "A", split="val", group="A"), _row("b", "B", split="train", group="B"), _row("new", "Z")]
    plan = _plan(rows, [("new", "a")])
    assert (plan.split["new"], plan.group["new"]) == ("val", "A")
    assert plan.straddlers == ()


def test_frozen_groups_are_never_merged_across_splits():
    rows = [_row("a", "A", split="val", group="A"), _row("b", "B", split="train", group="B")]
    plan = _plan(rows, [("a", "b")])
    assert plan.straddlers == ("b",)
    assert plan.split == {"a": "val", "b": "train"}


def test_newer_clip_is_the_straddling_one():
    rows = [
        _row("m", "A", split="val", group="A"),
        _row("n", "B", split="train", group="B"),
        _row("a", "B"),
    ]
    assert _plan(rows, [("a", "m")]).straddlers == ("a",)


def test_refused_clip_stays_refused_and_joins_nothing():
    rows = [
        _row("a", "A", split="val", group="A"),
        _row("z", "B", split="train", group="B"),
        _row("b", "B", "", "train", "B", ["straddles_splits"]),
    ]
    plan = _plan(rows, [("a", "b")])
    assert plan.straddlers == ("b",)


def test_returning_speaker_joins_the_former_group():
    rows = [_row("b", "B", split="test", group="A"), _row("new", "A")]
    plan = _plan(rows)
    assert (plan.split["new"], plan.group["new"]) == ("test", "A")


def test_notes_name_empty_and_small_splits():
    assert "stage1 has no val clips: there are too few new speakers to fill it" in _plan([_row("c", "s", "1")]).notes
    assert "stage1 has only 1 train clip" in _plan([_row("c", "s", "1")]).notes
    assert not any("stage2" in note for note in _plan([_row("c", "s", "1")]).notes)


def test_share_of_zero_leaves_a_split_empty():
    settings = SplitSettings(val_share=0)
    plan = _plan([_row(f"c{n}", f"s{n}") for n in range(20)], settings=settings)
    assert set(plan.split.values()) == {"train", "test"}


def test_hash_positions_are_uniform_and_stable():
    places = [place_of(f"s{n}") for n in range(2000)]
    assert min(places) >= 0 and max(places) < 1
    assert sum(places) / len(places) == pytest.approx(0.5, abs=0.02)
    assert place_of("somebody") == place_of("somebody")


def test_reassigned_clip_follows_its_speaker_alone():
    rows = [_row(f"{who}{n}", who) for who in ("ann", "bob", "dan", "eve", "fay") for n in range(3)]
    plan = _plan(rows)
    rows = _frozen(rows, plan)
    ann, bob = (
        plan.split["ann0"],
        next(who for who in ("bob", "dan", "eve", "fay") if plan.split[f"{who}0"] != plan.split["ann0"]),
    )
    corrected = [row | {"speaker": bob, "split_group": None} if row["clip_id"] == "ann0" else row for row in rows]
    after = _plan(corrected)
    assert (after.split["ann0"], after.group["ann0"]) == (plan.split[f"{bob}0"], bob)
    assert {clip: split for clip, split in after.split.items() if clip != "ann0"} == {
        clip: split for clip, split in plan.split.items() if clip != "ann0"
    }
    assert after.split["ann1"] == ann and after.group["ann1"] == "ann"


def test_renamed_speaker_stays_where_what_was_published_is():
    rows = [_row(f"c{n}-{clip}", f"s{n}") for n in range(12) for clip in range(2)]
    plan = _plan(rows)
    renamed = [row | {"speaker": f"new {row['speaker']}", "split_group": None} for row in _frozen(rows, plan)]
    after = _plan(renamed)
    assert after.split == plan.split
    assert after.group["c3-0"] == "new s3"


def test_clips_of_two_splits_under_one_new_speaker_train():
    one, two = _row("a", "x", split="test", group=None), _row("b", "x", split="train", group=None)
    assert set(_plan([one, two]).split.values()) == {"train"}
