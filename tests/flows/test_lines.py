"""A changed extractor or clip setting: the old line goes on until the new one is whole, then one switch."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import heterodub
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect.status import status
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.lines import lines_to_route
from heterodub.tasks.releases.publishing import PublishResult
from heterodub.tasks.steps.route import apply_route, plan_route
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.workspace import LINE_TABLES, STANDBY, Workspace
from heterodub.tasks.training.clip_selection import find_release
from tests.flows.heads import contents, write_head
from tests.flows.plain_ingest import run, store
from tests.flows.test_kills import kill_group, start, wait_for


@pytest.fixture(autouse=True)
def _server(prefect_api) -> None:
    """The steps leave artifacts."""


@pytest.fixture(scope="module")
def settings(config, cluster) -> Callable[..., Settings]:
    """settings(workspace) cuts crops as ever, settings(workspace, 60) encodes them worse: another extractor."""

    def load(workspace: Path, crop_quality: int = 95) -> Settings:
        clips = {"crop_quality": crop_quality}
        return load_settings(config, workspace=str(workspace), run={"dask": cluster}, clips=clips)

    return load


@pytest.fixture(scope="module")
def two_corpora(commons, settings) -> Path:
    """Two corpora of a film each, and what the old extractor made of them: a, b, workspace. Copy it."""

    def make(folder: Path) -> None:
        for number, corpus in enumerate("ab"):
            (folder / corpus).mkdir(parents=True)
            write_head(folder / corpus / "head.mp4", 400 + number, 30)
        for corpus in "ab":
            run(folder / corpus, settings(folder / "workspace"), corpus=corpus)

    return commons.made_once("two corpora", make)


@pytest.fixture
def place(two_corpora, tmp_path) -> Path:
    shutil.copytree(two_corpora / "workspace", tmp_path / "workspace")
    return tmp_path / "workspace"


def ingest(two_corpora: Path, corpus: str, settings: Settings, **options) -> PublishResult:
    return run(two_corpora / corpus, settings, corpus=corpus, **options)[2]


def test_old_line_is_published_until_the_new_one_is_whole(two_corpora, settings, place):
    old, new = settings(place), settings(place, 60)
    ws = Workspace.open(str(place))
    before, rows = releases.latest(ws), contents(place)
    splits = {row["speaker"]: row["split"] for row in rows["clips"]}

    published = ingest(two_corpora, "a", new)
    assert (published.release_id, published.is_new) == (before.release_id, False)
    assert contents(place) == rows  # the line in use is as it was
    assert find_release(ws, None).extractor == old.extractor
    assert len(heterodub.open_workspace(str(place)).release().dataset("stage2")) == len(rows["stage2"])
    (waiting,) = status(new).lines
    assert (waiting.line, waiting.corpora) == (new.extractor, {"a": (1, 1), "b": (0, 1)})
    assert waiting.missing == (str(two_corpora / "b" / "head.mp4"),)
    assert any("corpus b 0 of 1 files" in note for note in published.notes)

    again = ingest(two_corpora, "a", new)
    assert (again.release_id, again.is_new) == (before.release_id, False)

    published = ingest(two_corpora, "b", new)
    release = releases.latest(ws)
    assert published.is_new and release.extractor == new.extractor and status(new).lines == ()
    now = contents(place)
    assert {row["extractor"] for table in ("catalog", "clips") for row in now[table]} == {new.extractor}
    assert {row["speaker"]: row["split"] for row in now["clips"]} == splits
    assert {row["clip_id"] for row in now["stage1"]} == {row["clip_id"] for row in now["clips"]}
    assert len(heterodub.open_workspace(str(place)).release(before.release_id).dataset("stage2")) == len(rows["stage2"])
    assert len(heterodub.open_workspace(str(place)).release().dataset("stage2")) == len(now["stage2"])
    assert all(tables.read_any(line, table).num_rows == 0 for line in standing_by(ws) for table in LINE_TABLES)

    assert heterodub.open_workspace(str(place)).release().dataset("stage2")[0].frames.any()

    assert not ingest(two_corpora, "a", new).is_new
    assert not (place / STANDBY / new.extractor).exists()


def test_changed_labels_of_a_listing_reach_both_lines(two_corpora, settings, place, tmp_path):
    """A consent that is withdrawn while the new line is filled leaves the releases of the old one, too."""
    new, ws = settings(place, 60), Workspace.open(str(place))
    before, listing = releases.latest(ws), tmp_path / "a.csv"
    for number, consent in enumerate(("given", "withdrawn")):
        listing.write_text(f"uri,consent\n{two_corpora / 'a' / 'head.mp4'},{consent}\n")
        published = run(listing, new, corpus="a")[2]
        for tables_of in (ws, ws.of_line(new.extractor)):
            (clip,) = (row for row in tables.read(tables_of, "clips").to_pylist() if row["corpus"] == "a")
            assert (clip["consent"], "consent_not_permitted" in clip["stage2_reasons"]) == (consent, bool(number))
            assert not (number and (clip["stage1"] or clip["stage2"]))
    last = releases.latest(ws)
    assert published.release_id == last.release_id != before.release_id and last.extractor == before.extractor
    stored = {row["clip_id"] for row in contents(place)["stage2"]}
    assert stored == {row["clip_id"] for row in contents(place)["clips"] if row["stage2"]}


def test_labels_and_policies_reach_the_line_that_stands_by(two_corpora, settings, place, policies):
    """A person refuses stage 2 of a's clip before a is measured anew, and keeps stage 1 of it against a new policy."""
    old, new = settings(place), settings(place, 60)
    ws, line = Workspace.open(str(place)), Workspace.open(str(place)).of_line(new.extractor)
    (clip,) = (row for row in contents(place)["clips"] if row["corpus"] == "a")
    label = partial(NewLabel, clip["clip_id"], clip["media_id"], reason="seen", by="Ann")
    store_labels(ws, [label(stage=Stage.STAGE2, keep=False)])
    plan = store(two_corpora / "a", new, corpus="a")[1]
    (again,) = tables.read(line, "clips").to_pylist()
    assert len(plan.fresh) == 1 and (again["stage1"], again["stage2"]) == (True, False)
    assert again["stage2_reasons"] == ["refused_by_person"] and again["clip_id"] != clip["clip_id"]

    store_labels(ws, [label(stage=Stage.STAGE1, keep=True)])
    picky = load_policy(policies["picky"])
    for each in lines_to_route(ws, new):
        apply_route.fn(each, plan_route.fn(each, picky), new)
    assert [tables.read(each, "clips")["policy"].unique().to_pylist() for each in (ws, line)] == [[picky.hash]] * 2
    (again,) = tables.read(line, "clips").to_pylist()
    assert again["stage1"] and payload(line, "stage1") == {again["clip_id"]}
    assert payload(ws, "stage1") == {clip["clip_id"]}

    lenient = load_policy(policies["lenient"])
    with pytest.raises(WorkspaceError, match="would have to be decoded"):
        apply_route.fn(ws, plan_route.fn(ws, lenient), new)
    apply_route.fn(ws, plan_route.fn(ws, lenient), old)  # the extractor of before may
    assert len(payload(ws, "stage1")) == 2

    plan, tally, _ = run(two_corpora / "a", old, corpus="a")  # the new settings are given up
    assert (plan.fresh, tally.files_done) == ((), 0)
    (begun,) = status(old).lines
    assert f"remove {STANDBY}/{new.extractor} to give it up" in begun.words(is_of_settings=False)


def test_switch_goes_on_without_files_that_are_gone(two_corpora, settings, place):
    new, ws = settings(place, 60), Workspace.open(str(place))
    before = releases.latest(ws)
    published = ingest(two_corpora, "a", new, switch=True)
    release = releases.latest(ws)
    assert published.is_new and release.extractor == new.extractor
    assert [row["corpus"] for row in contents(place)["catalog"]] == ["a"]
    assert releases.read_table(ws, before, "clips").num_rows == 2


def payload(ws: Workspace, table: str) -> set[str]:
    return set(tables.read(ws, table, ["clip_id"])["clip_id"].to_pylist())


@pytest.mark.long  # an ingest that is killed, one that ends, and one from nothing
def test_killed_ingest_of_a_new_line_ends_in_the_release_of_an_ingest_from_nothing(
    two_corpora, settings, config, cluster, place, tmp_path
):
    new = tmp_path / "new.toml"
    new.write_text(config.read_text().replace("[clips]\n", "[clips]\ncrop_quality = 60\n"))
    process = start(two_corpora / "b", new, place, cluster)
    wait_for(process, "analysed 1")
    kill_group(process)
    ends = [
        ingest(two_corpora, corpus, settings(workspace, 60))
        for workspace in (place, tmp_path / "direct")
        for corpus in "ab"
    ]
    assert ends[1].is_new and ends[1].release_id == ends[3].release_id
    assert contents(place) == contents(tmp_path / "direct")
