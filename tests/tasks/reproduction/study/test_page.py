"""The page in a real browser: a rater goes through it by the keys alone, and what is saved can be scored."""

import json

import pytest

from heterodub.tasks.reproduction.study_making import make_study
from heterodub.tasks.reproduction.study_scoring import gather
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.tasks.reproduction.study.films import listing

pytestmark = needs_browser

READY = "document.readyState === 'complete' && document.getElementById('explained')?.children.length === 6"
SEEN = "!document.getElementById('rate').hidden && state.answers[item()]?.seen"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return make_study(listing(folder, frames=26), tmp_path_factory.mktemp("study"), checks=1, seed=3)


@pytest.fixture
def tab(study):
    with opened(study.page) as tab:
        until(tab, READY)
        yield tab


def begin(tab, rater: int) -> None:
    tab.fill("#rater", str(rater))
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#rate:not([hidden])")


def saved(tab, save, path):
    with tab.expect_download() as coming:
        save()
    coming.value.save_as(path)
    return path


def test_page_is_operable_by_keyboard(study, tab, tmp_path):
    assert tab.text_content("#count") == "7"
    assert tab.evaluate("document.activeElement.id") == "rater"
    begin(tab, 2)
    assert tab.evaluate("order().join()") == ",".join(study.study.forms[1])
    assert tab.is_disabled("#next")
    tab.keyboard.press("5")
    tab.keyboard.press("Enter")
    assert tab.evaluate("state.place") == 0  # not seen to its end, not wholly graded
    for place, name in enumerate(study.study.forms[1]):
        until(tab, SEEN)
        expected = study.study.items[name].expected or {"visual": 4, "sync": 2, "identity": place % 5 + 1}
        while tab.evaluate("active") != 0:
            tab.keyboard.press("ArrowUp")
        for grade in expected.values():
            tab.keyboard.press(str(grade))
        if place == 0:
            tab.keyboard.press("ArrowDown")
            tab.keyboard.press("ArrowUp")
        assert tab.is_enabled("#next")
        tab.keyboard.press("Enter")
    tab.wait_for_selector("#done:not([hidden])")
    assert tab.evaluate("document.activeElement.id") == "download"
    path = saved(tab, lambda: tab.keyboard.press("Enter"), tmp_path / "answers-2.json")
    gathered = gather(study.study, [path])
    assert gathered.set_aside == {}
    assert gathered.unfinished == ()
    assert len(gathered.grades[2]) == 6
    assert {tuple(grades.values())[:2] for grades in gathered.grades[2].values()} == {(4, 2)}
    assert all(row["plays"] > 0 for row in json.loads(path.read_text())["answers"])


def test_closed_page_resumes_and_partial_answers_can_be_saved(study, tab, tmp_path):
    begin(tab, 1)
    until(tab, SEEN)
    for grade in "135":
        tab.keyboard.press(grade)
    tab.keyboard.press("Enter")
    until(tab, "state.place === 1")
    tab.reload()
    until(tab, f"{READY} && state === null")
    begin(tab, 1)
    assert tab.evaluate("state.place") == 1
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("[aria-pressed=true]").all_text_contents() == ["1", "3", "5"]
    gathered = gather(study.study, [saved(tab, lambda: tab.click("#save"), tmp_path / "answers-1.json")])
    if study.study.items[study.study.forms[0][0]].expected is None:
        assert gathered.unfinished == (1,)
        assert list(gathered.grades[1].values()) == [{"visual": 1, "sync": 3, "identity": 5}]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 640), PHONE])
def test_page_fits_the_window(tab, width, height):
    tab.set_viewport_size({"width": width, "height": height})
    begin(tab, 1)
    until(tab, SEEN)
    assert overflow(tab) <= 0
    if width > 640:
        assert tab.evaluate("document.getElementById('next').getBoundingClientRect().bottom <= innerHeight")
