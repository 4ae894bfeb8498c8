"""Tables on terminals of any width: nothing is wider than the screen, and no figure and no telling end is cut."""

import pytest
from rich.cells import cell_len

from heterodub.flows.cli.render.lineage import show_footage
from heterodub.flows.cli.render.scores import show_scores
from heterodub.flows.cli.render.tables import TableColumn, cell, show
from heterodub.model.evaluation.generator import GENERATOR_REPORT
from heterodub.model.evaluation.intervals import mean_interval
from heterodub.schemas.display import common_folder

WIDTHS = (60, 80, 100, 200)
NAMES = [f"interview with somebody, recorded in the large studio, {end}" for end in ("take 1.mp4", "take 2.mp4")]


@pytest.fixture
def printed(monkeypatch, capsys):
    """printed(width, show, ...) is what is printed on a terminal of so many columns; no line may be wider."""

    def call(width, work, *given, **named) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        work(*given, **named)
        text = capsys.readouterr().out
        assert all(cell_len(line) <= width for line in text.splitlines())
        return text

    return call


def evaluation() -> dict:
    """Scores of every system, with intervals of six speakers."""
    means = [
        {"system": system, "score": score, "interval": interval([value + at for value in (0.11, 0.12, 0.15)] * 2)}
        for at, system in enumerate(GENERATOR_REPORT.systems)
        for score, value in zip(GENERATOR_REPORT.scores, range(8), strict=True)
    ]
    head = {
        "stage": "stage1",
        "evaluated_on": "the val split",
        "release": "r1",
        "clips": 6,
        "speakers": 6,
        "references": 8,
        "gain": 1.1,
    }
    return head | {
        "means": means,
        "improvements": [],
        "strata": [],
        "frechet": {},
        "model": "m",
        "verdicts": [],
        "no_interval": None,
        "run": None,
    }


def interval(scores) -> dict:
    result = mean_interval(scores, [str(number) for number in range(len(scores))])
    return {name: getattr(result, name) for name in ("mean", "low", "high", "clips", "groups", "left_out")}


@pytest.mark.parametrize("width", WIDTHS)
def test_score_table_shows_every_score_uncut(printed, width):
    text = printed(width, show_scores, evaluation())
    assert "\u2026" not in text
    for heading in ("lips NME %", "outline NME %", "opening r", "mouth opening std ratio", "velocity error", "sync"):
        assert heading in text
    blocks = text.count("system ")
    assert text.count("unpaired audio") == text.count("mean face") == blocks
    assert (blocks == 1) == (width == 200)


@pytest.mark.parametrize("width", WIDTHS)
def test_strata_are_shown_with_the_gain_over_controls(printed, width):
    gain = {"control": "copy", "interval": interval([0.1, 0.2, 0.3])}
    part = {"factor": "face_size", "score": "nme_lips", "clips": 7, "speakers": 3, "interval": interval([0.02, 0.03])}
    strata = [
        part | {"stratum": "below 90 px", "improvements": [gain]},
        part | {"stratum": "from 160 px", "improvements": []},
    ]
    text = printed(width, show_scores, evaluation() | {"strata": strata})
    assert all(word in text for word in ("face size", "below 90 px", "from 160 px", "than copy", "20.00 ("))
    assert "by stratum" not in printed(width, show_scores, evaluation())


@pytest.mark.parametrize("width", WIDTHS)
def test_cut_names_keep_their_distinguishing_end(printed, width):
    columns = [
        TableColumn("clip"),
        TableColumn("file", 20, middle=True),
        TableColumn("route"),
        TableColumn("speaker", 12, optional=True),
    ]
    text = printed(width, show, columns, [[cell("c" * 12), cell(name), cell("stage1"), cell("x")] for name in NAMES])
    assert "take 1.mp4" in text and "take 2.mp4" in text
    assert (NAMES[0] in text) == (width >= 100)
    if width < 100:
        assert "interv" in text and "\u2026" in text


def test_wide_letters_are_cut_by_cells(printed):
    text = printed(
        30, show, [TableColumn("file", 10, middle=True), TableColumn("n")], [[cell("録音" * 12 + "終.mp4"), cell("1")]]
    )
    assert "終.mp4" in text and "\u2026" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_lineage_table_shows_where_paths_differ(printed, width):
    root = "/archive/of/the/institute/with/a/long/name/footage"
    rows = [
        {"media_id": "a" * 64, "uri": f"{root}/{name}", "corpus": "talks", "speaker": "ada", "licence": "CC BY 4.0"}
        for name in ("monday/one.mp4", "tuesday/two.mp4")
    ]
    result = {"kind": "speaker", "value": "ada", "files": rows, "clips": [], "labels": [], "models": []}
    text = printed(max(width, 80), show_footage, result | {"releases": [], "benchmarks": {}})
    assert f"files below {root}/" in text and text.count(root) == 1
    assert "monday/one.mp4" in text and "tuesday/two.mp4" in text


def test_common_folder_of_paths():
    assert common_folder(["/a/b/one.mp4", "/a/b/c/two.mp4"]) == "/a/b/"
    assert common_folder(["/a/b/one.mp4"]) == "/a/b/"
    assert common_folder(["s3://x/one.mp4", "s3://y/two.mp4"]) == common_folder(["/a/x", "/b/x"]) == ""
    assert common_folder([]) == ""
