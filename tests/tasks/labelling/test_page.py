"""The page in a real browser: a person labels by the keys alone, and what is saved can be imported."""

import json
import re
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.labelling.label_file import import_labels
from heterodub.tasks.labelling.page import LabelPage, write_label_page
from heterodub.tasks.labelling.score import score_policy
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.tasks.inspect import footage
from tests.tasks.labelling import made


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    return footage.playable(tmp_path_factory.mktemp("label"))


@pytest.fixture(scope="module")
def page(settings, tmp_path_factory) -> LabelPage:
    """Three clips, of which one has no sound and is asked for stage 2 alone."""
    return write_label_page(settings, 50, tmp_path_factory.mktemp("page"), seed=2)


def begin(tab, name: str = "Ann, =1") -> None:
    tab.fill("#by", name)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#rate:not([hidden])")


def saved(tab, save, path: Path) -> Path:
    with tab.expect_download() as coming:
        save()
    assert coming.value.suggested_filename == "labels.csv"
    coming.value.save_as(path)
    return path


def test_page_holds_clips_and_no_verdict(page):
    assert (page.drawn, page.shown) == (3, 3)
    text = Path(page.page).read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert sorted(len(item["stages"]) for item in data["items"]) == [1, 2, 2]
    assert set(data["items"][0]) == {"clip", "film", "stages"}
    assert "film.mp4" not in text and "/footage/" not in text
    assert not re.search(r"https?://", text)


@needs_browser
def test_person_labels_by_keyboard_and_the_file_is_imported(page, settings, tmp_path):
    with opened(Path(page.page)) as tab:
        assert tab.text_content("#count") == "3"
        assert tab.evaluate("document.activeElement.id") == "by"
        begin(tab)
        until(tab, "film.readyState >= 2")
        tab.keyboard.press("Enter")
        assert tab.evaluate("state.place") == 0  # nothing said yet
        for place in range(3):
            until(tab, f"state.place === {place}")
            stages = tab.evaluate("item().stages")
            if len(stages) == 2:
                tab.keyboard.press("k")
                assert tab.evaluate("active") == 1
            tab.keyboard.press("r")
            assert tab.is_disabled("#next")
            tab.keyboard.type("k")  # meant for another stage
            assert tab.is_disabled("#next")
            tab.keyboard.press("Backspace")
            tab.keyboard.type("blurred")
            assert tab.locator(".question.active .why small").text_content() == "the face is not sharp"
            tab.keyboard.press("Enter")
        tab.wait_for_selector("#done:not([hidden])")
        assert tab.text_content("#summary") == "All 3 clips are labelled."
        path = saved(tab, lambda: tab.keyboard.press("Enter"), tmp_path / "labels.csv")
    ws = Workspace.open(settings.workspace)
    result = import_labels(ws, path)
    assert (result.stored, result.replaced, result.unusable) == (5, 0, ())
    labels = read_labels(ws)
    assert {one.draw for one in labels.values()} == {page.draw}
    assert {one.text for (_, stage), one in labels.items() if stage is Stage.STAGE2} == {"refused by Ann, =1: blurred"}
    assert all(one.keep for (_, stage), one in labels.items() if stage is Stage.STAGE1)
    score = score_policy(ws, footage.POLICY)
    assert (score.drawn, score.clips, score.covered) == (True, 3, 1.0)


@needs_browser
def test_reloaded_page_goes_on_and_saves_only_whole_clips(page, tmp_path):
    with opened(Path(page.page)) as tab:
        begin(tab, "Bob")
        while tab.evaluate("item().stages.length") < 2:
            tab.keyboard.press("s")
        place = tab.evaluate("state.place")
        tab.keyboard.press("ArrowDown")
        assert tab.evaluate("active") == 1
        tab.keyboard.press("ArrowUp")
        tab.keyboard.press("k")
        lines = saved(tab, lambda: tab.click("#save"), tmp_path / "none.csv").read_text().splitlines()
        assert lines == ["clip,stage,verdict,reason,by,draw"]
        tab.keyboard.press("k")
        tab.reload()
        assert tab.input_value("#by") == "Bob"
        begin(tab, "Bob")
        assert tab.evaluate("state.place") == place
        assert tab.locator(".keep[aria-pressed=true]").count() == 2
        lines = saved(tab, lambda: tab.click("#save"), tmp_path / "some.csv").read_text().splitlines()
        assert len(lines) == 3 and all('"keep","fit by eye and ear","Bob"' in line for line in lines[1:])


@needs_browser
@pytest.mark.parametrize("size", [(1280, 800), (1024, 640), PHONE])
def test_page_fits_the_window(page, size):
    with opened(Path(page.page), size) as tab:
        assert overflow(tab) <= 0
        begin(tab)
        until(tab, "film.readyState >= 2")
        tab.locator(".refuse").first.click()
        assert overflow(tab) <= 0
        assert tab.locator(".why input").first.is_visible()
        if size is not PHONE:
            assert tab.evaluate("document.getElementById('next').getBoundingClientRect().bottom <= innerHeight")


def test_page_goes_to_the_reports_of_the_workspace(tmp_path):
    settings = footage.playable(tmp_path)
    written = write_label_page(settings, 1, None)
    assert Path(written.page) == Path(settings.workspace, "reports", "labels.html")
    assert (written.drawn, written.shown, sum(of_all for _, of_all in written.strata.values())) == (1, 1, 3)


def test_page_is_not_written_over_another_file(settings, tmp_path):
    (tmp_path / "labels.html").write_text("mine")
    with pytest.raises(WorkspaceError, match=r"labels\.html is there"):
        write_label_page(settings, 1, tmp_path)


def test_clips_of_lost_files_are_reported_and_a_page_without_any_is_refused(tmp_path):
    ws = made.make(tmp_path, {"good": 2})
    with pytest.raises(WorkspaceError, match="no drawn clip can be played"):
        write_label_page(made.settings(ws), 2, tmp_path)
    assert not (tmp_path / "labels.html").exists()
    empty = Workspace.open(str(tmp_path / "empty"), create=True)
    with pytest.raises(NotFoundError, match="no clip is left"):
        write_label_page(Settings(workspace=empty.root), 2, tmp_path)
