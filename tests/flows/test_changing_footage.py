"""Files that move, swap, change, vanish and come back between runs and within one."""

import os
import shutil
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.policy import load_policy
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog, driver
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.summary import summarise
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.releases.publishing import PublishResult
from heterodub.tasks.steps.ingest import choose_policy, find_files, work_on_files
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.batches import orphans
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import contents, versions, write_head
from tests.flows.plain_ingest import checked, require_sound, run, store


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    """Three films and what was made of them: folder/films, folder/workspace."""
    folder = tmp_path_factory.mktemp("three")
    (folder / "films").mkdir()
    for number, name in enumerate("abc"):
        write_head(folder / "films" / f"{name}.mp4", 300 + number, 30)
    return folder


@pytest.fixture(scope="module")
def settings(three, config, cluster) -> Settings:
    return load_settings(config, workspace=str(three / "workspace"), run={"dask": cluster})


@pytest.fixture(scope="module")
def first_run(three, settings) -> Path:
    run(three / "films", settings)
    return three


@pytest.fixture
def place(first_run, tmp_path) -> Path:
    """A copy of the films and their workspace under the same names, so that nothing is new."""
    keep = tmp_path / "keep"
    shutil.copytree(first_run, keep)
    yield first_run
    shutil.rmtree(first_run)
    shutil.copytree(keep, first_run)


def states(place: Path) -> dict[str, tuple[str, str | None]]:
    rows = contents(place / "workspace")["catalog"]
    return {Path(row["uri"]).name: (row["state"], row["reason"]) for row in rows}


def clips_of(place: Path) -> dict[str, int]:
    """Clips by the name of the file they say they are from; checks that payload and clips agree."""
    rows = contents(place / "workspace")
    assert {r["clip_id"] for r in rows["stage1"]} == {r["clip_id"] for r in rows["clips"]}
    names = [Path(row["uri"]).name for row in rows["clips"]]
    assert not orphans(Workspace.open(str(place / "workspace")))
    return {name: names.count(name) for name in sorted(set(names))}


def test_touched_files_are_read_but_not_decoded(place, settings):
    before = versions(place / "workspace")
    for path in (place / "films").iterdir():
        os.utime(path)
    plan, tally, published = run(place / "films", settings)
    assert (len(plan.fresh), tally.files_done, published.release_id is not None) == (3, 0, True)
    now = versions(place / "workspace")
    assert {table: now[table] for table in ("clips", "stage1", "stage2")} == {
        table: before[table] for table in ("clips", "stage1", "stage2")
    }
    plan, _, _ = run(place / "films", settings)
    assert plan.fresh == ()


def test_two_files_swap_names(place, settings):
    films = place / "films"
    (films / "a.mp4").rename(films / "spare")
    (films / "b.mp4").rename(films / "a.mp4")
    (films / "spare").rename(films / "b.mp4")
    os.utime(films / "a.mp4")
    os.utime(films / "b.mp4")
    checked(films, settings)
    assert states(place) == dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), ("measured", None))
    assert clips_of(place) == {"a.mp4": 1, "b.mp4": 1, "c.mp4": 1}


def test_file_moves_and_another_takes_its_name(place, settings):
    films = place / "films"
    (films / "a.mp4").rename(films / "moved.mp4")
    write_head(films / "a.mp4", 310, 30)
    checked(films, settings)
    assert clips_of(place) == {"a.mp4": 1, "b.mp4": 1, "c.mp4": 1, "moved.mp4": 1}


def test_copy_takes_over_when_its_original_changes(place, settings):
    films = place / "films"
    shutil.copy(films / "a.mp4", films / "copy.mp4")
    store(films, settings)
    assert states(place)["copy.mp4"] == ("duplicate", "same_bytes")
    write_head(films / "a.mp4", 311, 30)
    checked(films, settings)
    assert states(place)["copy.mp4"] == ("measured", None)
    assert clips_of(place) == {"a.mp4": 1, "b.mp4": 1, "c.mp4": 1, "copy.mp4": 1}


@pytest.mark.parametrize("becomes", ["empty", "noise", "copy", "gone bad"])
def test_file_that_loses_its_content_loses_its_clips(place, settings, becomes):
    path = place / "films" / "a.mp4"
    match becomes:
        case "empty":
            path.write_bytes(b"")
        case "noise":
            path.write_bytes(os.urandom(5000))
        case "copy":
            shutil.copyfile(place / "films" / "b.mp4", path)
        case "gone bad":
            path.unlink()
            path.symlink_to("nowhere")
    checked(path.parent, settings)
    reasons = {"empty": "empty_file", "noise": "not_media", "copy": "same_bytes", "gone bad": "broken_link"}
    assert states(place)["a.mp4"][1] == reasons[becomes]
    assert clips_of(place) == {"b.mp4": 1, "c.mp4": 1}


def test_next_run_cleans_up_after_a_killed_run(place, settings):
    """The catalog already holds the new content, the clips of the old one are still there."""
    ws = Workspace.open(settings.workspace)
    (row,) = catalog.rows_about(ws, [str(place / "films" / "a.mp4")], ()).values()
    gone = {**row, "media_id": "0" * 64, "state": "rejected", "reason": "no_face", "clips": 0}
    tables.replace_rows(ws, "catalog", catalog.catalog_table([gone]), "uri")
    assert orphans(ws)
    plan, _, published = run(place / "films", settings)
    assert (plan.fresh, published.is_new) == ((), True)
    assert clips_of(place) == {"b.mp4": 1, "c.mp4": 1}


def test_file_named_twice_counts_once(place, settings, tmp_path):
    path = write_head(tmp_path / "new.mp4", 320, 30)
    manifest = tmp_path / "twice.csv"
    manifest.write_text(f"uri,speaker\n{path},ann\n{path},ann\nnew.mp4,ann\n")
    plan, tally = checked(manifest, settings)
    assert (len(plan.fresh), tally.files_done) == (1, 1)
    assert states(place)["new.mp4"] == ("measured", None)


class _Vanishing(ProgressSink):
    """Takes a file away when the work on files begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        if name == "analyse":
            self.path.unlink()


def test_files_that_vanish_midway(place, settings):
    """One after it was listed, one after it was read for the first time; the third comes out right, and so do all
    once they are back.
    """
    films = place / "films"
    for name in "xyz":
        write_head(films / f"{name}.mp4", ord(name), 30)
    kept = {name: (films / f"{name}.mp4").read_bytes() for name in "xy"}
    ws = Workspace.open(settings.workspace)
    policy = choose_policy.fn(ws, settings.policy)
    plan = find_files.fn(ws, str(films), "default", settings, False)
    (films / "x.mp4").unlink()
    with open_client(settings.run.dask, 1, ws.scratch(), 3) as client:
        driver.work_through(client, ws, plan.fresh, settings, policy, _Vanishing(films / "y.mp4"))
    result = states(place)
    assert result["x.mp4"] == result["y.mp4"] == ("quarantined", "vanished")
    assert result["z.mp4"] == ("measured", None)
    for name, content in kept.items():
        (films / f"{name}.mp4").write_bytes(content)
    plan, tally = checked(films, settings)
    assert (len(plan.fresh), tally.files_done) == (2, 2)
    assert clips_of(place) == dict.fromkeys(("a.mp4", "b.mp4", "c.mp4", "x.mp4", "y.mp4", "z.mp4"), 1)


@pytest.fixture
def by_speaker(place) -> Path:
    """A corpus file that takes the speaker from the folder; the three films are alice's."""
    (place / "films" / "alice").mkdir()
    for name in "abc":
        (place / "films" / f"{name}.mp4").rename(place / "films" / "alice" / f"{name}.mp4")
    corpus = place / "corpus.toml"
    corpus.write_text("root = 'films'\nspeaker = '(?P<speaker>[^/]+)/'\n")
    return corpus


def labels(place: Path) -> dict[str, tuple[str, str]]:
    """(speaker, split) by the path that clips say they are from."""
    rows = contents(place / "workspace")["clips"]
    return {str(Path(row["uri"]).relative_to(place / "films")): (row["speaker"], row["split"]) for row in rows}


def test_file_moved_to_another_speaker_folder_takes_that_speaker(place, settings, by_speaker):
    _, tally = checked(by_speaker, settings)
    before = labels(place)
    assert {path: who for path, (who, _) in before.items()} == {f"alice/{name}.mp4": "alice" for name in "abc"}
    assert not any(
        path.endswith("films/a.mp4") for path in (row["uri"] for row in contents(place / "workspace")["catalog"])
    )
    (place / "films" / "bob").mkdir()
    (place / "films" / "alice" / "a.mp4").rename(place / "films" / "bob" / "a.mp4")
    _, again = checked(by_speaker, settings)
    after = labels(place)
    assert (tally.files_done, again.files_done) == (0, 0)
    assert after["bob/a.mp4"][0] == "bob" and "alice/a.mp4" not in after
    assert {who for who, _ in after.values()} == {"alice", "bob"}
    assert len(set(after.values())) == 2, "a speaker stands in two splits"
    rows = contents(place / "workspace")["catalog"]
    assert sorted(row["uri"].rsplit("films/")[-1] for row in rows) == ["alice/b.mp4", "alice/c.mp4", "bob/a.mp4"]
    assert all(Path(row["uri"]).exists() for row in rows)


def test_equal_bytes_of_two_speakers_are_refused_until_labels_agree(place, settings, by_speaker):
    store(by_speaker, settings)
    (place / "films" / "bob").mkdir()
    twin = place / "films" / "bob" / "copy.mp4"
    shutil.copy(place / "films" / "alice" / "a.mp4", twin)
    for _ in range(2):
        store(by_speaker, settings)
        result = states(place)
        assert result["a.mp4"] == result["copy.mp4"] == ("quarantined", "labels_disagree")
        assert clips_of(place) == {"b.mp4": 1, "c.mp4": 1}
    _, plan, tally = store(by_speaker, settings)
    nothing = PublishResult(None, False)
    summary = summarise(Workspace.open(settings.workspace), plan, tally, (), nothing, load_policy(), 1.0)
    assert summary["state"] == "partial" and any(str(twin) in said for said in summary["disputed"])
    (why,) = {row["error"] for row in contents(place / "workspace")["catalog"] if row["reason"] == "labels_disagree"}
    assert all(word in why for word in ("'alice' at", "'bob' at", str(twin)))
    (place / "films" / "alice" / "a.mp4").unlink()
    checked(by_speaker, settings)
    assert "a.mp4" not in states(place) and states(place)["copy.mp4"] == ("measured", None)
    assert labels(place)["bob/copy.mp4"][0] == "bob"


def test_two_rows_of_one_content_become_one(place, settings):
    """A run died between the row of the moved file and that of the old one."""
    ws = Workspace.open(settings.workspace)
    (row,) = catalog.rows_about(ws, [str(place / "films" / "a.mp4")], ()).values()
    (place / "films" / "a.mp4").rename(place / "films" / "z.mp4")
    moved = {**row, "uri": str(place / "films" / "z.mp4"), "speaker": "zoe"}
    tables.replace_rows(ws, "catalog", catalog.catalog_table([moved]), "uri")
    store(place / "films", settings)
    assert set(states(place)) == {"b.mp4", "c.mp4", "z.mp4"}
    assert clips_of(place) == {"b.mp4": 1, "c.mp4": 1, "z.mp4": 1}


def test_plan_made_before_the_workspace_changed_is_harmless(place, settings):
    """Two runs over the same files, one after the other, both planned before: the second adds nothing twice."""
    write_head(place / "films" / "late.mp4", 330, 30)
    ws = Workspace.open(settings.workspace)
    policy = choose_policy.fn(ws, settings.policy)
    plan = find_files.fn(ws, str(place / "films"), "default", settings, False)
    assert [Path(raw.uri).name for raw in plan.fresh if isinstance(raw, RawFile)] == ["late.mp4"]
    for _ in range(2):
        work_on_files.fn(ws, plan, settings, policy)
    require_sound(settings)
    assert clips_of(place) == {"a.mp4": 1, "b.mp4": 1, "c.mp4": 1, "late.mp4": 1}
