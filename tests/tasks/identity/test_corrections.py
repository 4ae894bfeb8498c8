import shutil
import subprocess
import sys

import pytest

from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.identity import correct, listing
from heterodub.tasks.identity.corrections import corrections_of, nobody_left, read_corrections
from heterodub.tasks.identity.units import straddlers_of
from heterodub.tasks.inspect.check_people import check_people
from heterodub.tasks.inspect.findings import Health
from heterodub.tasks.releases import benchmarks
from heterodub.tasks.releases.benchmarks import Benchmark, BenchmarkClip
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.identity.drawn import add, add_all, look, people, person, publish, rows_of
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import new_workspace

WHY = ("seen", "Ann")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Twenty people, ten of whom are in two files, with their splits. Copy it."""
    ws = new_workspace(tmp_path_factory.mktemp("published"))
    add_all(ws, (rows_of(media, look(person(media % 20), media)) for media in range(30)))
    publish(ws)
    return ws.root


@pytest.fixture
def ws(published, tmp_path):
    return Workspace.open(str(shutil.copytree(published, tmp_path / "workspace")))


def test_workspace_without_clips_or_doubts_lists_nobody_and_is_well(tmp_path):
    """By a command of its own: the arrow call that this is about ended the process."""
    (tmp_path / "nobody").mkdir()
    (tmp_path / "one").mkdir()
    empty, one = new_workspace(tmp_path / "nobody"), new_workspace(tmp_path / "one")
    add(one, 0, look(person(0), 0))
    publish(one)
    words = [sys.executable, "-c", _LISTED, empty.root, one.root]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == ["0 0 ok", "1 0 ok"]


_LISTED = """
import sys
from heterodub.tasks.identity.listing import list_doubts, list_people
from heterodub.tasks.inspect.check_people import check_people
from heterodub.tasks.stores.workspace import Workspace
for root in sys.argv[1:]:
    ws = Workspace.open(root)
    print(len(list_people(ws)), len(list_doubts(ws)), *(finding.health.value for finding in check_people(ws)))
"""


def of_split(ws, split):
    return next(found for key, found in people(ws).items() if people(ws, "split")[key] == split)


def test_merge_holds_for_what_comes_and_can_be_taken_back(ws):
    before = people(ws)
    done = correct.merge(ws, before[0, 0], before[1, 0], *WHY)
    assert done.changed == 2 and people(ws)[0, 0] == people(ws)[1, 0] == before[1, 0]
    add(ws, 60, look(person(0), 60))
    publish(ws)
    assert people(ws)[60, 0] == before[1, 0]
    correct.undo(ws, done.correction, *WHY)
    assert {key: people(ws)[key] for key in before} == before
    with pytest.raises(WorkspaceError, match="taken back already"):
        correct.undo(ws, done.correction, *WHY)


def test_split_makes_a_person_of_its_own_that_later_clips_join(ws):
    before = people(ws)
    done = correct.split(ws, before[0, 0], ["20.mp4"], *WHY)
    assert people(ws)[20, 0] == done.person != before[0, 0] == people(ws)[0, 0]
    add(ws, 60, look(person(20 % 20), 20, 0.21))
    publish(ws)
    assert people(ws)[60, 0] == done.person and people(ws, "split")[60, 0] == people(ws, "split")[20, 0]
    with pytest.raises(WorkspaceError, match="all clips"):
        correct.split(ws, done.person, ["20.mp4", "60.mp4"], *WHY)
    with pytest.raises(NotFoundError, match="no clip or file"):
        correct.split(ws, before[0, 0], ["nothing.mp4"], *WHY)


def test_names_find_people_and_stand_after_a_merge(ws):
    before = people(ws)
    correct.name_person(ws, before[0, 0][:8], " Ann Lee ", *WHY)
    assert listing.find_person(ws, "Ann Lee") == before[0, 0]
    correct.merge(ws, "Ann Lee", before[1, 0], *WHY)
    assert read_corrections(ws).names == {before[1, 0]: "Ann Lee"}
    row = next(one for one in listing.list_people(ws) if one["name"] == "Ann Lee")
    assert (row["person"], row["clips"], row["files"], row["corpora"]) == (before[1, 0], 4, 4, ("default",))
    with pytest.raises(NotFoundError, match="did you mean Ann Lee"):
        listing.find_person(ws, "An Lee")
    with pytest.raises(WorkspaceError, match="one person already"):
        correct.merge(ws, "Ann Lee", before[1, 0], *WHY)


def test_new_clips_of_people_merged_across_splits_go_where_those_of_the_same_face_are(ws):
    before, splits = people(ws), people(ws, "split")
    tested, trained = (next(media for media in range(20) if splits[media, 0] == name) for name in ("test", "train"))
    correct.merge(ws, before[tested, 0], before[trained, 0], *WHY)
    add(ws, 60, look(person(tested), 60))
    add(ws, 61, look(person(trained), 61))
    publish(ws)
    after = people(ws, "split")
    assert (after[60, 0], after[61, 0]) == ("test", "train") and {key: after[key] for key in splits} == splits


def test_a_merge_across_splits_moves_nothing_is_named_by_doctor_and_left_out_of_scores(ws):
    trained, tested = of_split(ws, "train"), of_split(ws, "test")
    splits = people(ws, "split")
    rows = tables.read(ws, "clips", ["clip_id", "media_id", "speaker", "split", "split_group", "person"]).to_pylist()
    frozen = [row for row in rows if row["split"] == "test"]
    clips = tuple(
        BenchmarkClip(row["clip_id"], row["media_id"], row["speaker"], row["split_group"], "") for row in frozen
    )
    benchmark = Benchmark("b", 1, Stage.STAGE1, "line", "", "r", "", clips)
    everyone = {row["clip_id"]: row["person"] for row in frozen}
    assert {clip.clip_id: clip.speaker for clip in benchmarks.scored(ws, benchmark).clips} == everyone
    done = correct.merge(ws, tested, trained, *WHY)
    assert done.straddles
    assert any("in several splits" in note for note in publish(ws))
    assert people(ws, "split") == splits
    assert [one.splits for one in straddlers_of(tables.read(ws, "clips", ["person", "split"]))] == [("train", "test")]
    scored = benchmarks.scored(ws, benchmark)
    left_out = {row["clip_id"] for row in frozen if row["person"] == tested}
    assert {clip.clip_id for clip in scored.clips} == {row["clip_id"] for row in frozen} - left_out
    finding = next(one for one in check_people(ws) if one.what == "people in several splits")
    assert finding.health is Health.WARNING and trained in finding.detail
    new = next(media for media, _ in people(ws) if people(ws)[media, 0] == trained)
    add(ws, 70, look(person(new % 20), 70))
    publish(ws)
    assert people(ws, "split")[70, 0] == "train"


def test_nothing_is_left_to_score_when_all_people_are_in_train_too(ws):
    from heterodub.schemas.errors import PromotionError

    trained, tested = of_split(ws, "train"), of_split(ws, "test")
    correct.merge(ws, tested, trained, *WHY)
    row = next(row for row in tables.read(ws, "clips").to_pylist() if row["person_found"] == tested)
    clip = BenchmarkClip(row["clip_id"], row["media_id"], row["speaker"], row["split_group"], "")
    with pytest.raises(PromotionError, match="all people"):
        benchmarks.scored(ws, Benchmark("b", 1, Stage.STAGE1, "line", "", "r", "", (clip,)))


def test_corrections_of_people_without_clips_are_nobody_s(ws):
    before = people(ws)
    correct.name_person(ws, before[5, 0], "gone", *WHY)
    correct.name_person(ws, before[0, 0], "stays", *WHY)
    assert nobody_left(ws) == frozenset()
    tables.delete_rows(ws, "clips", "media_id", {sample.media_id(5), sample.media_id(25)})
    assert nobody_left(ws) == {before[5, 0]}


def test_doctor_names_corrections_that_are_not_applied(ws):
    before = people(ws)
    assert [one.health for one in check_people(ws)] == [Health.OK]
    from heterodub.tasks.identity.corrections import NewCorrection, store_corrections

    store_corrections(ws, [NewCorrection("merge", before[0, 0], before[1, 0], *WHY)])
    assert "2 clips" in next(one for one in check_people(ws) if one.what == "corrections of people").detail


def test_doubts_that_people_settled_are_not_listed(tmp_path):
    ws = new_workspace(tmp_path)
    for media, speaker in enumerate(("ann", "bea", "bea", "cy")):
        add(ws, media, look(person(0), media), speaker=speaker)
        publish(ws)
    found = people(ws)
    doubtful = {sample.clip_id(media) for media in (1, 3)}  # the other is of a person who is known
    assert {row["clip"] for row in listing.list_doubts(ws)} == doubtful
    correct.merge(ws, found[1, 0], found[0, 0], *WHY)
    rows = {row["clip"]: row["doubt"] for row in listing.list_doubts(ws)}
    assert rows.keys() == {sample.clip_id(3)} and "looks_like" in rows[sample.clip_id(3)]
    correct.merge(ws, found[3, 0], found[0, 0], *WHY)
    assert listing.list_doubts(ws) == [] and [row["doubtful"] for row in listing.list_people(ws)] == [0]


def test_chains_of_merges_and_splits_end_where_the_last_one_says():
    def row(number, kind, person, value, clip=None):
        return {"sequence": number, "kind": kind, "person": person, "value": value, "clip_id": clip}

    rows = [row(1, "merge", "a", "b"), row(2, "merge", "b", "c"), row(3, "split", "c", "n", "x")]
    result = corrections_of(rows)
    assert (result.person("a"), result.person("b"), result.moved) == ("c", "c", {"x": "n"})
    back = corrections_of([*rows, row(4, "merge", "c", "a")])
    assert back.person("a") == back.person("b") == back.person("c")
    assert corrections_of([*rows, row(4, "undo", "b", "2")]).person("a") == "b"
