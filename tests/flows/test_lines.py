"""A changed extractor or clip setting: the old line goes on until the new one is whole, then one switch."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import heterodub
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.tasks.inspect.status import status
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.publishing import PublishResult
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.workspace import LINE_TABLES, STANDBY, Workspace
from heterodub.tasks.training.clip_selection import find_release
from tests.flows.heads import contents, write_head
from tests.flows.plain_ingest import run


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

    assert not ingest(two_corpora, "a", new).is_new
    assert not (place / STANDBY / new.extractor).exists()
