"""The page in a real browser: a rater goes through it by the keys alone, and what is saved can be scored."""

import json
import time

import pytest

from heterodub.tasks.reproduction.study_making import make_study
from heterodub.tasks.reproduction.study_scoring import gather
from tests.tasks.reproduction.study.browser import installed, opened
from tests.tasks.reproduction.study.films import listing

pytestmark = pytest.mark.skipif(installed() is None, reason="no browser here: install Chromium or Chrome")

READY = "document.readyState === 'complete' && document.getElementById('explained')?.children.length === 6"
SEEN = "!document.getElementById('rate').hidden && state.answers[item()]?.seen"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return make_study(listing(folder, frames=26), tmp_path_factory.mktemp("study"), checks=1, seed=3)


@pytest.fixture
def tab(study, tmp_path):
    with opened(study.page, tmp_path / "profile", tmp_path) as tab:
        tab.until(READY)
        yield tab
        assert tab.errors == []


def begin(tab, rater: int) -> None:
    tab.value(f"document.getElementById('rater').value = {rater}")
    tab.press("Enter")
    tab.until("!document.getElementById('rate').hidden")


def saved(folder):
    end = time.monotonic() + 30
    while not (result := list(folder.glob("answers-*.json"))):
        assert time.monotonic() < end, "nothing was saved"
        time.sleep(0.1)
    return result[0]


def test_page_is_operable_by_keyboard(study, tab, tmp_path):
    assert tab.value("document.getElementById('count').textContent") == "7"
    assert tab.value("document.activeElement.id") == "rater"
    begin(tab, 2)
    assert tab.value("order().join()") == ",".join(study.study.forms[1])
    assert tab.value("document.getElementById('next').disabled")
    tab.press("5")
    tab.press("Enter")
    assert tab.value("state.place") == 0  # not seen to its end, not wholly graded
    for place, name in enumerate(study.study.forms[1]):
        tab.until(SEEN)
        expected = study.study.items[name].expected or {"visual": 4, "sync": 2, "identity": place % 5 + 1}
        while tab.value("active") != 0:
            tab.press("ArrowUp")
        for grade in expected.values():
            tab.press(str(grade))
        if place == 0:
            tab.press("ArrowDown")
            tab.press("ArrowUp")
        assert not tab.value("document.getElementById('next').disabled")
        tab.press("Enter")
    tab.until("!document.getElementById('done').hidden")
    assert tab.value("document.activeElement.id") == "download"
    tab.press("Enter")
    path = saved(tmp_path)
    gathered = gather(study.study, [path])
    assert gathered.set_aside == {}
    assert gathered.unfinished == ()
    assert len(gathered.grades[2]) == 6
    assert {tuple(grades.values())[:2] for grades in gathered.grades[2].values()} == {(4, 2)}
    assert all(row["plays"] > 0 for row in json.loads(path.read_text())["answers"])


def test_closed_page_resumes_and_partial_answers_can_be_saved(study, tab, tmp_path):
    begin(tab, 1)
    tab.until(SEEN)
    for grade in "135":
        tab.press(grade)
    tab.press("Enter")
    tab.until("state.place === 1")
    tab.value("location.reload()")
    tab.until(f"{READY} && state === null")
    begin(tab, 1)
    assert tab.value("state.place") == 1
    tab.press("ArrowLeft")
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((one) => one.textContent).join()"
    assert tab.value(pressed) == "1,3,5"
    tab.value("document.getElementById('save').click()")
    gathered = gather(study.study, [saved(tmp_path)])
    if study.study.items[study.study.forms[0][0]].expected is None:
        assert gathered.unfinished == (1,)
        assert list(gathered.grades[1].values()) == [{"visual": 1, "sync": 3, "identity": 5}]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 640), (390, 780)])
def test_page_fits_the_window(tab, width, height):
    tab.size(width, height)
    begin(tab, 1)
    tab.until(SEEN)
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")
    if width > 640:
        assert tab.value("document.getElementById('next').getBoundingClientRect().bottom <= innerHeight")
