import random

import numpy as np
import pyarrow as pa
import pytest

from heterodub.schemas.config.sections import SplitSettings
from heterodub.tasks.identity.units import straddlers_of
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.stores import tables
from tests.tasks.identity.drawn import add, add_all, look, people, person, publish, rows_of
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace


@pytest.fixture
def ws(tmp_path):
    return new_workspace(tmp_path)


def split_of(ws, media):
    return people(ws, "split")[media, 0]


def test_unnamed_files_of_one_face_are_one_person_and_have_one_split(ws):
    add_all(ws, (rows_of(media, look(person(media % 3), media), corpus="ab"[media % 2]) for media in range(12)))
    publish(ws)
    found = people(ws)
    assert len(set(found.values())) == 3 and all(found[media, 0] == found[media % 3, 0] for media in range(12))
    assert all(split_of(ws, media) == split_of(ws, media % 3) for media in range(12))
    assert set(people(ws, "person_cause").values()) == {"face"}
    before = tables.version(ws, "clips")
    publish(ws)
    assert tables.version(ws, "clips") == before


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_arrival_leaves_the_past_and_the_constraints(ws, seed):
    chance = random.Random(seed)
    media = [*range(24)]
    chance.shuffle(media)
    past: dict = {}
    while media:
        files = []
        for one in [media.pop() for _ in range(min(len(media), chance.randint(1, 6)))]:
            stated = {"speaker": f"name {one % 4}", "corpus": "stated"} if one % 3 == 0 else {"corpus": "other"}
            faces = [look(person(one % 4), one), *([look(person(4 + one % 2), one)] if one % 5 == 0 else [])]
            files.append(rows_of(one, *faces, **stated))
        add_all(ws, files)
        publish(ws)
        found, splits = people(ws), people(ws, "split")
        assert {key: (found[key], splits[key]) for key in past} == past
        past = {key: (found[key], splits[key]) for key in found}
        assert all(found[one, 0] != found[one, 1] for one, number in found if number == 1)  # on screen together
    by_person = {}
    for (one, number), name in people(ws).items():
        if one % 3 == 0 and number == 0:
            by_person.setdefault(name, set()).add(one % 4)
    assert all(len(names) == 1 for names in by_person.values()) and len(by_person) == 4


def test_told_names_join_and_part_and_faces_that_speak_against_them_are_doubtful(ws):
    add(ws, 0, look(person(0), 0), speaker="ann", corpus="stated")
    add(ws, 1, look(person(1), 1), speaker="ann", corpus="stated")  # contradictory: another face
    add(ws, 2, look(person(0), 2), speaker="bea", corpus="stated")  # a twin, or one person under two names
    add(ws, 3, look(person(2), 3), speaker="ann", corpus="other")  # of the same name
    publish(ws)
    found, doubts = people(ws), people(ws, "person_doubt")
    assert found[0, 0] == found[1, 0] != found[2, 0] and found[3, 0] not in (found[0, 0], found[2, 0])
    assert "face_differs" in doubts[1, 0]
    assert doubts[3, 0] is None and set(people(ws, "person_cause").values()) == {"stated"}


def test_twins_of_two_names_are_two_people_who_look_alike(ws):
    add(ws, 0, look(person(0), 0), speaker="ann", corpus="stated")
    publish(ws)
    add(ws, 1, look(person(0), 1), speaker="bea", corpus="stated")
    publish(ws)
    found, doubts = people(ws), people(ws, "person_doubt")
    assert found[0, 0] != found[1, 0]
    assert (doubts[0, 0], doubts[1, 0]) == (None, f"looks_like:{found[0, 0]}")


def test_one_person_under_two_names_in_two_corpora_is_one(ws):
    add(ws, 0, look(person(0), 0), speaker="ann", corpus="one")
    add(ws, 1, look(person(0), 1), speaker="Ann Lee", corpus="two")
    publish(ws)
    assert people(ws)[0, 0] == people(ws)[1, 0] and split_of(ws, 0) == split_of(ws, 1)


def test_faces_on_screen_together_are_two_people_however_alike(ws):
    add(ws, 0, look(person(0), 0), look(person(0), 1))
    add(ws, 1, look(person(0), 2))
    publish(ws)
    found = people(ws)
    assert found[0, 0] != found[0, 1] and found[1, 0] in (found[0, 0], found[0, 1])


def test_a_file_s_people_go_to_their_own_splits_and_its_name_is_the_longest_seen_one(ws):
    add_all(ws, (rows_of(media, look(person(media), media)) for media in range(30)))
    publish(ws)
    one, other = (next(media for media in range(30) if split_of(ws, media) == split) for split in ("train", "test"))
    add(ws, 40, look(person(one), 40), look(person(other), 41))
    publish(ws)
    assert (people(ws, "split")[40, 0], people(ws, "split")[40, 1]) == ("train", "test")
    add(ws, 50, look(person(60), 50), speaker="ann")
    add(ws, 51, look(person(60), 51), look(person(61), 52), speaker="ann")
    publish(ws)
    found = people(ws)
    assert found[51, 0] == found[50, 0] != found[51, 1]


def test_unmeasured_clips_are_of_the_only_person_of_their_file(ws):
    add(ws, 0, look(person(0), 0))
    add(ws, 0, None, number=1, start_frame=100)
    add(ws, 1, None)
    assert "1 clip of no known person" in " ".join(publish(ws))
    found = people(ws)
    assert found[0, 1] == found[0, 0] and found[1, 0] is None
    assert people(ws, "person_cause")[0, 1] == "file"


def test_who_was_divided_as_nobody_stays_so_whoever_a_copy_or_a_later_clip_of_the_file_shows(ws):
    add_all(ws, (rows_of(media, look(person(media), media)) for media in range(30)))
    add_all(ws, (rows_of(media, None) for media in range(100, 108)))
    publish(ws)
    splits, before = people(ws, "split"), people(ws)
    shown = {split: next(media for media in range(30) if split_of(ws, media) == split) for split in ("train", "test")}
    for media in range(100, 108):
        face = person(shown["train" if splits[media, 0] == "test" else "test"])
        if media % 2:
            add(ws, media, look(face, 100 + media), number=1, start_frame=500)
        else:  # the copy
            same = {name: sample.clip_row(media)[name] for name in ("picture_hash", "sound_hash")}
            add(ws, media + 50, look(face, 100 + media), **same)
    publish(ws)
    after = people(ws, "split")
    assert {key: after[key] for key in splits} == splits and {key: people(ws)[key] for key in before} == before
    assert all(before[media, 0] is None for media in range(100, 108))
    assert people(ws)[101, 1] in (before[shown["train"], 0], before[shown["test"], 0])
    reasons = people(ws, "stage1_reasons")
    assert all(
        "straddles_splits" in reasons[150 + number, 0] for number in (0, 2, 4, 6)
    )  # they were found to be copies
    assert straddlers_of(tables.read(ws, "clips", ["person", "split"])) == ()


def test_without_embeddings_splits_are_those_of_names_and_files_and_it_is_said(ws, tmp_path):
    names = [f"speaker {media % 3}" if media % 2 else f"file:{sample.media_id(media)}" for media in range(8)]
    undivided = {"split": None, "split_group": None}
    rows = (sample.clip_row(media, **undivided, speaker=name) for media, name in enumerate(names))
    tables.append_rows(ws, "clips", sample.clips(*rows))
    assert "no faces are measured" in " ".join(publish(ws))
    rows = tables.read(ws, "clips", ["speaker", "split_group", "person"]).to_pylist()
    assert all(row["split_group"] == row["speaker"] for row in rows)
    assert all((row["person"] is None) == row["speaker"].startswith("file:") for row in rows)


def test_switched_off_embeddings_give_new_clips_no_person_and_it_is_said(ws):
    add_all(ws, (rows_of(media, look(person(media), media)) for media in range(12)))
    publish(ws)
    before, splits = people(ws), people(ws, "split")
    add_all(ws, (rows_of(20 + media, look(person(media), 20 + media)) for media in range(12)))
    add(ws, 40, look(person(0), 40), speaker="ann")
    off = SplitSettings(test_share=0.3), False
    assert "`embeddings` of [identity] is off" in " ".join(assign(ws, *off).notes)
    after = people(ws)
    assert {key: name for key, name in after.items() if name} == before
    groups = people(ws, "split_group")
    assert all(groups[20 + media, 0] == f"file:{sample.media_id(20 + media)}" for media in range(12))
    assert groups[40, 0] == "ann" and assign(ws, *off).changed == 0
    divided = people(ws, "split")
    publish(ws)  # switched on again: who is stated is found, and nothing that was divided moves
    assert people(ws)[40, 0] == before[0, 0] and people(ws, "split") == divided
    assert {key: divided[key] for key in splits} == splits


def test_renaming_half_a_corpus_moves_only_what_was_renamed(ws):
    add_all(ws, (rows_of(media, look(person(0), media), speaker="ann", corpus="stated") for media in range(4)))
    publish(ws)
    before = people(ws)
    renamed = [sample.clip_id(media) for media in (2, 3)]
    changes = {"clip_id": renamed, "speaker": ["bea"] * 2, "split_group": pa.nulls(2, pa.string())}
    tables.update_columns(ws, "clips", pa.table(changes))
    publish(ws)
    after = people(ws)
    assert after[0, 0] == after[1, 0] == before[0, 0] != after[2, 0] == after[3, 0]
    assert people(ws, "person_doubt")[2, 0] == f"looks_like:{before[0, 0]}"
    assert len(set(people(ws, "split").values())) == 1


def test_renaming_all_of_a_person_keeps_it(ws):
    add_all(ws, (rows_of(media, look(person(0), media), speaker="ann", corpus="stated") for media in range(3)))
    publish(ws)
    before = people(ws)
    changes = {"clip_id": [sample.clip_id(media) for media in range(3)], "speaker": ["Ann Lee"] * 3}
    tables.update_columns(ws, "clips", pa.table(changes | {"split_group": pa.nulls(3, pa.string())}))
    publish(ws)
    assert people(ws) == before


def test_a_voice_unlike_the_rest_of_its_person_is_doubtful(ws):
    voices = np.eye(256)
    add_all(ws, (rows_of(media, look(person(0), media), voice=voices[0]) for media in range(3)))
    add(ws, 3, look(person(0), 3), voice=voices[1])
    publish(ws)
    doubts = people(ws, "person_doubt")
    assert "voice_differs" in doubts[3, 0] and doubts[0, 0] is None


def test_damaged_embeddings_count_as_not_measured(ws):
    add(ws, 0, look(person(0), 0))
    add(ws, 1, look(person(0), 1)[:100])
    add(ws, 2, np.full(128, np.nan))
    publish(ws)
    found = people(ws)
    assert found[0, 0] is not None and found[1, 0] is None and found[2, 0] is None


def test_nobody_is_in_two_splits_unless_merged(ws):
    add_all(ws, (rows_of(media, look(person(media % 20), media)) for media in range(40)))
    publish(ws)
    assert straddlers_of(tables.read(ws, "clips", ["person", "split"])) == ()
