from html.parser import HTMLParser

import pytest

from heterodub.tasks.inspect.demo_page import write_demo_page

MODEL = {
    "trained": {"model": "landmark-generator", "version": 2, "parameters": 12_345, "step": 60},
    "promoted": {
        "model": "landmark-generator",
        "outcome": "promoted",
        "reason": "beats <its> controls",
        "clips": 20,
        "speakers": 7,
        "checks": [{"name": "beats copy", "figure": "+0.2 (0.1 to 0.3)", "passed": True}],
    },
}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if tag == "video" and name == "src"]

    def handle_data(self, data):
        self.words += data


@pytest.fixture
def page(tmp_path) -> Page:
    source = tmp_path / "film.mp4"
    source.write_bytes(b"source")
    (tmp_path / "demo" / "dub").mkdir(parents=True)
    dub = tmp_path / "demo" / "dub" / "dub.mp4"
    dub.write_bytes(b"dub")
    out = tmp_path / "demo" / "demo.html"
    write_demo_page(out, source, dub, [MODEL], {"ingest": 61.4}, ["heterodub status"])
    return Page(out.read_text("utf-8"))


def test_page_plays_source_and_dub_from_beside_it(page, tmp_path):
    assert page.sources == ["dub/source.mp4", "dub/dub.mp4"]
    assert [(tmp_path / "demo" / name).read_bytes() for name in page.sources] == [b"source", b"dub"]


def test_page_tells_the_models_size_and_scores(page):
    assert "12,345 parameters and took 60 steps" in page.words
    assert "on 20 clips of 7 speakers" in page.words and "beats copy: +0.2 (0.1 to 0.3)" in page.words
    assert "promoted: beats <its> controls" in page.words
    assert "heterodub status" in page.words and "61 s" in page.words
