"""The demo's page in a real browser: source and dub play, together and alone, on a desktop and on a phone."""

from pathlib import Path

import numpy as np
import pytest

from heterodub.tasks.inspect.demo_page import write_demo_page
from heterodub.tasks.visualization.video_writer import write_video
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.tasks.inspect.test_demo_page import MODEL

pytestmark = needs_browser

FRAMES = 50
LOADED = "[...document.querySelectorAll('video')].every((film) => film.readyState >= 2)"


def film(path: Path, grey: int) -> None:
    tone = 0.1 * np.sin(np.arange(FRAMES * 640) * 0.1).astype(np.float32)
    frames = (np.full((96, 128, 3), (grey + number) % 256, np.uint8) for number in range(FRAMES))
    write_video(path, frames, 22, 800, tone)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "dub").mkdir()
    film(folder / "film.mp4", 20)
    film(folder / "dub" / "dub.mp4", 120)
    out = folder / "demo.html"
    commands = ["heterodub status " + "a/long/path/" * 20]
    write_demo_page(out, folder / "film.mp4", folder / "dub" / "dub.mp4", [MODEL], {"ingest": 61.4}, commands)
    return out


def test_both_play_at_once_by_keyboard_and_the_dub_is_heard(page):
    with opened(page) as tab:
        until(tab, LOADED)
        tab.locator("button").focus()
        tab.keyboard.press("Enter")
        until(tab, "[...document.querySelectorAll('video')].every((film) => film.currentTime > 0.2)")
        assert tab.eval_on_selector_all("video", "films => films.map(film => film.muted)") == [True, False]
        until(tab, "document.querySelectorAll('video')[1].webkitAudioDecodedByteCount > 0")


@pytest.mark.parametrize("size", [(1280, 800), PHONE])
def test_page_fits_the_window(page, size):
    with opened(page, size) as tab:
        until(tab, LOADED)
        assert overflow(tab) <= 0
        boxes = [film.bounding_box() for film in tab.locator("video").all()]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= size[0] for box in boxes)
        beside = boxes[0]["y"] == boxes[1]["y"]
        assert beside == (size != PHONE)


def test_size_of_the_models_stands_beside_the_films(page):
    with opened(page) as tab:
        assert "12,345 parameters" in tab.text_content(".size")
        assert tab.locator("table").first.is_visible()
