"""The comparison page in a real browser: its verdict, the numbers under it, and films that can be played."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from heterodub.schemas.cards import GENERATOR
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.strata import FACTOR_NAMES
from heterodub.tasks.promotion import gate
from heterodub.tasks.promotion.candidates import ModelScores
from heterodub.tasks.promotion.checks import figure
from heterodub.tasks.promotion.comparison_page import comparison_page
from heterodub.tasks.promotion.decision import PromotionDecision
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.champions import Champions
from heterodub.tasks.tracking.ledger import Evidence
from heterodub.tasks.tracking.store import open_tracking
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.tasks.promotion.conftest import register_generator
from tests.tasks.tracking.conftest import with_tables

pytestmark = needs_browser


class Shown(NamedTuple):
    """A page, and the decision it is about."""

    path: Path
    verdict: PromotionDecision


@pytest.fixture(scope="module")
def pages(talking, trained, policy, empty_database, tmp_path_factory) -> dict[str, Shown]:
    """A good generator against one trained without sound, and the other way round."""
    folder = tmp_path_factory.mktemp("compared")
    ws = with_tables(Workspace.open(str(shutil.copytree(talking.root, folder / "ws"))), empty_database)
    settings = Settings(workspace=ws.root, promotion=policy, stage1=Stage1Settings(preset="tiny"))
    number = {name: register_generator(ws, settings, trained[name]) for name in ("deaf", "good")}
    champions = Champions(open_tracking(settings.tracking, ws), ws, GENERATOR)

    scored: list[ModelScores] = []

    def compared(challenger: str, champion: str) -> Shown:
        move = ("promote", number[champion], champions.reconcile().champion, "a test", Evidence(run="r", benchmark="b"))
        champions.move(*move)
        comparison = gate.open_comparison(settings, "stage1", str(number[challenger]))
        scored[:] = scored[::-1] or gate.score(comparison)  # of the same models, the other way round
        verdict = gate.decide(comparison, scored)
        path = folder / f"{challenger}.html"
        path.write_text(comparison_page(comparison, scored, verdict).html)
        return Shown(path, verdict)

    return {"promoted": compared("good", "deaf"), "kept": compared("deaf", "good")}


@pytest.mark.parametrize(("name", "said"), [("promoted", "Promoted: "), ("kept", "Not promoted: ")])
def test_title_is_the_verdict_and_the_numbers_agree_with_it(pages, name, said):
    path, verdict = pages[name]
    with opened(path) as tab:
        assert tab.title().startswith(said)
        assert tab.text_content("h1") == said + verdict.reason
        rows = tab.locator("tr:has(> td.yes), tr:has(> td.no)")
        cells = [row.locator("td").all_text_contents() for row in rows.all()]
        assert [(held, check, result) for held, check, result, *_ in cells] == [
            ("yes" if check.passed else "no", check.name, figure(check)) for check in verdict.checks
        ]
        held = sum(check.passed for check in verdict.checks)
        assert f"Checks held: {held} of {len(cells)}." in tab.text_content(".head")
        assert (held == len(cells)) == (name == "promoted")


def test_every_stratum_is_shown_with_both_models(pages):
    path, verdict = pages["promoted"]
    with opened(path) as tab:
        rows = [row.locator("td").all_text_contents() for row in tab.locator("#strata tr:has(td)").all()]
        assert [(row[0], row[1], row[2]) for row in rows] == [
            (part.factor.replace("_", " "), part.stratum, str(part.clips)) for part in verdict.strata
        ]
        assert {row[0] for row in rows} == {factor.replace("_", " ") for factor in FACTOR_NAMES}
        assert rows[0][-1] == "not judged: the policy does not ask for it" and rows[0][6].startswith("+")


def test_drawings_of_checks_agree_with_the_words(pages):
    """A drawing says the same as the word beside it: the circle of a check that failed is red."""
    for path, verdict in pages.values():
        with opened(path) as tab:
            fills = tab.eval_on_selector_all("tr:has(svg)", "rows => rows.map(row => row.cells[0].textContent + ' ' + "
                                             "row.querySelector('circle').getAttribute('fill'))")  # fmt: skip
            assert len(fills) >= sum(check.value is not None for check in verdict.checks) - 1 > 0
            assert set(fills) <= {"yes #2e7564", "no #b3261e"}


def test_films_play_with_sound(pages):
    with opened(pages["promoted"].path) as tab:
        films = tab.locator("video")
        assert films.count() >= 2
        until(tab, "[...document.querySelectorAll('video')].every((film) => film.readyState >= 1)")
        film = films.first
        film.evaluate("(film) => { film.muted = false; film.play(); }")
        until(tab, "document.querySelector('video').webkitAudioDecodedByteCount > 0")
        assert film.evaluate("(film) => film.duration") > 0.5


def test_page_fits_a_phone(pages):
    with opened(pages["kept"].path, PHONE) as tab:
        assert overflow(tab) <= 0
        for film in tab.locator("video").all():
            assert film.bounding_box()["width"] <= PHONE[0]


def test_details_open_by_keyboard(pages):
    with opened(pages["promoted"].path) as tab:
        summary = tab.locator("summary").last
        summary.focus()
        tab.keyboard.press("Enter")
        assert tab.locator("details[open] code").count() >= 12  # every clip of the benchmark
