"""The report in a real browser, on a desktop and on a phone."""

import re
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.inspect.report.write import write_report
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.tasks.inspect import footage

pytestmark = needs_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return Path(write_report(footage.playable(tmp_path_factory.mktemp("page"))))


def test_clip_can_be_played(page):
    with opened(page) as tab:
        tab.locator("details.clip:not([open]) > summary").first.click()
        until(tab, "[...document.querySelectorAll('details.clip[open] video')].every((film) => film.readyState >= 2)")
        assert tab.locator("details.clip[open] video").count() == 3
        assert tab.evaluate("document.querySelector('details.clip video').duration") > 0.5


def test_row_opens_its_numbers_by_keyboard_and_closes(page):
    with opened(page) as tab:
        row = tab.locator("tr[data-clip]").nth(1)
        row.focus()
        tab.keyboard.press("Enter")
        assert tab.locator("tr.below td").first.text_content().count("snr_db") == 1
        assert "refuses" in tab.locator("tr.below").text_content()
        tab.keyboard.press("Enter")
        assert tab.locator("tr.below").count() == 0


def test_lists_filter_sort_and_leave_as_csv(page, tmp_path):
    with opened(page) as tab:
        tab.select_option("#files select[data-key=state]", "rejected")
        assert tab.text_content("#files output") == "1 of 2"
        with tab.expect_download() as coming:
            tab.click("#files .csv")
        coming.value.save_as(tmp_path / "files.csv")
        lines = (tmp_path / "files.csv").read_text().splitlines()
        assert len(lines) == 2 and "/footage/=1+1.mp4" in lines[1] and "no_face" in lines[1]
        head = tab.locator("#clips th", has_text="from")
        head.click()
        head.click()
        assert head.get_attribute("aria-sort") == "descending"
        starts = [float(text) for text in tab.locator("#clips tr[data-clip] td:nth-child(3)").all_text_contents()]
        assert starts == sorted(starts, reverse=True) and len(set(starts)) == 3


def test_phone_keeps_the_route_in_view(page):
    with opened(page, PHONE) as tab:
        assert overflow(tab) <= 0
        tab.locator("#clips").scroll_into_view_if_needed()
        box = tab.locator("#clips tbody td.pinned").first.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0]


def test_page_without_films_says_nothing_of_them(page, tmp_path):
    silent = Path(write_report(Settings(workspace=str(page.parents[1])), output=tmp_path / "page.html", media="none"))
    assert not re.search("data:video", silent.read_text())
    with opened(silent) as tab:
        assert tab.locator("video").count() == 0
