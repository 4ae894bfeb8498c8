"""The report in a real browser, on a desktop and on a phone."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.tables import CATALOG, CLIPS
from heterodub.tasks.inspect.report.write import write_report
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import local_file
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.tasks.inspect import footage

pytestmark = needs_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A report on a file that is there, with three clips, and on one that gave none."""
    folder = tmp_path_factory.mktemp("page")
    film = footage.film(folder / "film.mp4")
    ws = Workspace.open(str(folder / "ws"), create=True)
    clips = [
        footage.Clip(str(film), values, start) for start, values in enumerate(({}, {"snr_db": 1.0}, footage.SILENT))
    ]
    tables.append_rows(ws, "clips", pa.Table.from_pylist([footage.clip_row(clip) for clip in clips], schema=CLIPS))
    stamp = local_file(Corpus(root=str(folder)), film).stamp
    files = [
        footage.catalog_row(str(film), clips=3, stamp=stamp),
        footage.catalog_row("/footage/=1+1.mp4", state="rejected", reason="no_face"),
    ]
    tables.append_rows(ws, "catalog", pa.Table.from_pylist(files, schema=CATALOG))
    return Path(write_report(Settings(workspace=ws.root)))


def test_clip_can_be_played(page):
    with opened(page) as tab:
        tab.locator("details.clip:not([open]) > summary").first.click()
        until(tab, "[...document.querySelectorAll('details.clip[open] video')].every((film) => film.readyState >= 2)")
        assert tab.locator("details.clip[open] video").count() == 3
        assert tab.evaluate("document.querySelector('details.clip video').duration") > 0.5
        names = tab.evaluate("parsed('numbers').signals.map((signal) => signal.name)")
        values = tab.evaluate("Object.keys(parsed('films')).map((id) => parsed('numbers').values[id])")
    heard = [row[names.index("snr_db")] for row in values]
    assert set(heard[:2]) == {"no sound stream", 1.0} and heard[2] == 30.0  # refused for their sound: first


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
