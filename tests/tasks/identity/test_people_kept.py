"""Limits of every publication: none may move a divided clip to another split, or take a person from a clip."""

import random

import pytest

from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.identity import correct
from heterodub.tasks.stores import tables
from tests.tasks.identity.drawn import add, add_all, look, people, person, publish, rows_of
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace

WHY = ("seen", "Ann")


@pytest.fixture
def ws(tmp_path):
    return new_workspace(tmp_path)


@pytest.mark.parametrize("stated", [False, True])
def test_in_a_new_line_everybody_is_who_they_were(ws, stated):
    def fill(line, number):
        names = [{"speaker": f"s{media}"} if stated else {} for media in range(10)]
        faces = [look(person(media), media) for media in range(10)]
        add_all(line, (rows_of(media, faces[media], number=number, **names[media]) for media in range(10)))

    fill(ws, 0)
    publish(ws)
    line = ws.of_line("9.9-x-y")
    fill(line, 3)  # of the same frames
    publish(line)
    for column in ("person", "split", "person_cause", "person_doubt"):
        before, after = people(ws, column), people(line, column)
        assert [before[media, 0] for media in range(10)] == [after[media, 3] for media in range(10)]


def test_in_a_new_line_twins_unmeasured_clips_and_what_was_split_off_stay_themselves(ws):
    add(ws, 0, look(person(0), 0), look(person(0), 1))  # twins, on screen together
    add(ws, 1, look(person(1), 2), None)  # the second one's face was not measured
    for media in (2, 3):
        add(ws, media, look(person(2), media))
    publish(ws)
    correct.split(ws, people(ws)[2, 0], ["3.mp4"], *WHY)
    line = ws.of_line("9.9-x-y")
    add(line, 0, look(person(0), 0), track=0, number=4)
    add(line, 0, look(person(0), 1), track=1, number=5)
    add(line, 1, look(person(1), 2), track=0, number=4)
    add(line, 1, None, track=1, number=5)
    for media in (2, 3):
        add(line, media, look(person(2), media), number=4)
    publish(line)
    before, after = people(ws), people(line)
    assert len({before[0, 0], before[0, 1], before[2, 0], before[3, 0]}) == 4 and before[1, 1] is None
    assert {key: after[key[0], key[1] + 4] for key in before} == before
    assert not any(
        "looks_like" in (doubt or "") for (media, _), doubt in people(line, "person_doubt").items() if media > 1
    )


def test_people_whom_an_older_line_did_not_find_have_the_first_split_of_their_files(ws):
    undivided = {"split": None, "split_group": None}
    rows = (sample.clip_row(media, **undivided, speaker=f"file:{sample.media_id(media)}") for media in range(20))
    tables.append_rows(ws, "clips", sample.clips(*rows))
    publish(ws)
    before = people(ws, "split")
    pair = [next(media for media in range(20) if before[media, 0] == split) for split in ("test", "train")]
    line = ws.of_line("9.9-x-y")
    shows = [pair[0] if media == pair[1] else media for media in range(20)]
    add_all(line, (rows_of(media, look(person(shows[media]), media), number=3) for media in range(20)))
    publish(line)
    after = people(line, "split")
    expected = {media: before[media, 0] for media in range(20)} | {pair[0]: "train"}
    assert {media: after[media, 3] for media in range(20)} == expected


@pytest.mark.parametrize("seed", range(2))
def test_no_sequence_of_publications_moves_a_divided_clip_or_takes_a_person(ws, seed):
    chance = random.Random(seed)
    stored: dict = {}
    past: dict = {}
    files: list = []

    def put(media: int, number: int = 0, **changes) -> None:
        who = chance.randrange(12)
        face = look(person(who), 1000 * number + media) if chance.random() < 0.7 else None
        if media % 4 == 0:
            changes |= {"speaker": f"name {media % 12}"}
        stored[media, number] = face, changes
        files.append(rows_of(media, face, number=number, **changes))

    for step in range(4):
        for media in range(10 * step, 10 * step + 8):
            put(media)
        for media in chance.sample(range(10 * step), 4) if step else ():
            if (media, 0) in stored and (media, 1) not in stored:
                row = sample.clip_row(media)
                put(media, 1, start_frame=100)  # a later clip of the file
                put(media + 100, picture_hash=row["picture_hash"], sound_hash=row["sound_hash"])
        add_all(ws, files)
        files.clear()
        publish(ws)
        found, splits = people(ws, "person_found"), people(ws, "split")
        assert {key: (found[key], splits[key]) for key in past} == past
        past = {key: (found[key], splits[key]) for key in found}
        known = sorted({name for name in people(ws).values() if name})
        done = correct.merge(ws, *chance.sample(known, 2), *WHY)
        if chance.random() < 0.5:
            correct.undo(ws, done.correction, *WHY)
        (media, number), name = chance.choice(sorted(one for one in people(ws).items() if one[1]))
        try:
            correct.split(ws, name, [sample.clip_id(media, number)], *WHY)
        except WorkspaceError:
            assert list(people(ws).values()).count(name) == 1  # nothing of the person would be left
    before, splits, line = people(ws), people(ws, "split"), ws.of_line("9.9-x-y")
    rows = (rows_of(media, face, number=number + 3, **more) for (media, number), (face, more) in stored.items())
    add_all(line, rows)
    publish(line)
    after, divided = people(line), people(line, "split")
    assert {key: after[key[0], key[1] + 3] for key, name in before.items() if name} == {
        key: name for key, name in before.items() if name
    }
    assert publish(line) and divided == people(line, "split")
    moved = {key for key in before if splits[key] != divided[key[0], key[1] + 3]}
    assert {key for key in moved if before[key]} == set()
