"""The page about runs."""

from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.inspect.report.trend import gather_trend
from heterodub.tasks.inspect.report.write import environment, write_trend
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect.report.test_report import parsed
from tests.tasks.monitoring.made_runs import ingest, measured

CHARTS = environment().get_template("charts.html").module
EVIL = "<script>alert(1)</script>\x1b[31m"
REASONS = {"stage1: noisy": 12, "stage2: blurred": 4, "file: no_face": 1}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("trend") / "ws"
    Workspace.open(str(root), create=True)
    settings = Settings(workspace=str(root))
    ingest(settings, {EVIL: (measured(100, 1), None), "calm": (measured(100, 2), None)}, REASONS)
    moved = measured(100, 3, {"sharpness": -0.9}, {"snr_db": 1.0})
    ingest(settings, {EVIL: (moved, measured(100, 1)), "calm": (measured(100, 4), measured(100, 2))}, REASONS)
    return settings


@pytest.fixture(scope="module")
def page(settings: Settings) -> str:
    return Path(write_trend(settings)).read_text("utf-8")


def test_warned_corpus_comes_first_with_its_drifted_signals(settings: Settings, page: str):
    (warned,) = gather_trend(settings).warned
    assert warned.corpus == EVIL
    assert {one.signal for one in warned.last.beyond} == {"sharpness", "snr_db"}
    assert page.count('class="warned"') == 1
    assert page.count("cell beyond") == 2
    assert "missing of 0 % before, 100 % now" in page


def test_trend_page_holds_every_signal_and_reason(page: str):
    for name in SIGNAL_NAMES:
        assert name in page
    for reason in ("noisy", "blurred", "no_face"):
        assert f"<code>{reason}</code>" in page


def test_shares_are_relative_to_the_ingest(settings: Settings):
    result = {(one.stage, one.code): one.shares for one in gather_trend(settings).refusals}
    assert result == {
        ("stage1", "noisy"): (0.06, 0.06),
        ("stage2", "blurred"): (0.02, 0.02),
        ("file", "no_face"): (0.1, 0.1),
    }


def test_corpus_s_name_is_text(page: str):
    assert "alert(1)" in page
    assert "<script" not in page
    assert "\x1b" not in page


def test_trend_page_loads_no_remote_resources(page: str):
    assert "http://" not in page
    assert "https://" not in page
    for tag, attributes in parsed(page).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        assert attributes.get("href") is None or attributes["href"].startswith("#")


def test_workspace_without_runs_has_a_page(tmp_path: Path):
    Workspace.open(str(tmp_path / "ws"), create=True)
    out = tmp_path / "page.html"
    assert write_trend(Settings(workspace=str(tmp_path / "ws")), out) == str(out)
    text = out.read_text("utf-8")
    assert "No run is on record" in text
    assert "No clips have come in" in text and "drift needs two" in text


def test_first_ingest_alone_says_what_drift_needs(tmp_path: Path):
    settings = Settings(workspace=Workspace.open(str(tmp_path / "ws"), create=True).root)
    ingest(settings, {"films": (measured(100, 1), None)}, REASONS)
    assert "Nothing could be compared yet" in Path(write_trend(settings)).read_text("utf-8")
    ingest(settings, {"films": (measured(100, 2), measured(100, 1))}, REASONS)
    text = Path(write_trend(settings)).read_text("utf-8")
    assert "No corpus drifted beyond its limit" in text and "Nothing could be compared yet" not in text


@pytest.mark.parametrize("values", [[], [None], [0.0, 0.0], [3.0], [1.0] * 30])
def test_charts_of_few_and_many_points(values: list[float | None]):
    drawing = CHARTS.bars(values, [str(number) for number in range(len(values))], "h")
    assert "nan" not in drawing and "inf" not in drawing


def test_unmeasured_values_are_not_drawn(settings: Settings):
    trend = gather_trend(settings).warned[0]
    snr = next(one for one in trend.last.beyond if one.signal == "snr_db")
    assert "not measured" in CHARTS.before_and_now(snr)
    assert CHARTS.band([snr.now]).strip() == ""
