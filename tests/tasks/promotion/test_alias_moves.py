"""Ledger and aliases through kills, races, hand-moved aliases and a server that goes away."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import TrackingSettings
from heterodub.schemas.errors import PromotionError, TrackingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect.doctor import check_promotions
from heterodub.tasks.inspect.findings import Health
from heterodub.tasks.lineage.weights import require_not_champion
from heterodub.tasks.promotion import gate
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking import champions, ledger
from heterodub.tasks.tracking.champions import Champions
from heterodub.tasks.tracking.ledger import Evidence, Move, rollback_line
from heterodub.tasks.tracking.lineage import TouchedVersion
from heterodub.tasks.tracking.models import TAKEN_DOWN
from heterodub.tasks.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, aliased, named_version
from heterodub.tasks.tracking.store import open_tracking
from tests.tasks.tracking.served import Server

MODEL = "landmark-generator"
SCRIPT = Path(__file__).with_name("interrupted.py")


@pytest.fixture
def store(settings, ws, register, again):
    """A registry with three versions, the first of which is champion."""
    opened = open_tracking(settings.tracking, ws)
    first = register(settings, "deaf")
    assert [first, again(settings, first), again(settings, first)] == [1, 2, 3]
    move(opened, ws, 1, None)
    return opened


def move(store, ws: Workspace, to: int, against: int | None) -> Move:
    return Champions(store, ws, MODEL).move("promote", to, against, "a test", Evidence())


def pointing(store) -> list[int | None]:
    return [one.number if (one := aliased(store, MODEL, alias)) else None for alias in (CHAMPION, PREVIOUS)]


def problems(settings) -> list[str]:
    return [finding.detail for finding in check_promotions(settings) if finding.health is Health.PROBLEM]


@pytest.mark.parametrize("step", ["intend", pytest.param("set_aliases", marks=pytest.mark.long)])
def test_interrupted_move_is_reported_and_completed(store, settings, ws, policy, step):
    words = [sys.executable, str(SCRIPT), ws.root, str(policy), "2", step]
    died = subprocess.run(words, capture_output=True, text=True)
    assert died.returncode == -9, died.stderr[-2000:]
    last = ledger.last_move(ws, MODEL)
    assert (last.to_version, last.state) == (2, "intended")
    assert pointing(store) == [1, None] if step == "intend" else [2, 1]
    assert ["was interrupted" in finding for finding in problems(settings)] == [True]

    standing = Champions(store, ws, MODEL).reconcile()
    assert standing.champion == 2
    assert "was interrupted" in standing.repaired
    assert pointing(store) == [2, 1]
    assert problems(settings) == []
    assert [one.state for one in ledger.moves(ws, MODEL)] == ["done", "done"]


def test_manually_moved_alias_is_reported_and_restored(store, settings, ws):
    store.client.set_registered_model_alias(MODEL, CHAMPION, "3")
    assert ["the alias points at 3" in finding for finding in problems(settings)] == [True]
    assert "reset it" in Champions(store, ws, MODEL).reconcile().repaired
    assert pointing(store) == [1, None]
    store.client.delete_registered_model_alias(MODEL, CHAMPION)
    assert "points at nothing" in problems(settings)[0]
    Champions(store, ws, MODEL).reconcile()
    assert pointing(store) == [1, None]


def test_doctor_reports_a_champion_with_taken_down_footage(store, settings):
    store.client.set_model_version_tag(MODEL, "2", TAKEN_DOWN, "speaker 0123")
    assert [findings.health for findings in check_promotions(settings)] == [Health.OK]
    store.client.set_model_version_tag(MODEL, "1", TAKEN_DOWN, "speaker 0123")
    findings = check_promotions(settings)[-1]
    assert findings.health is Health.WARNING and "speaker 0123" in findings.detail


def test_doctor_reports_a_benchmark_with_missing_clips(settings, ws):
    frozen = benchmarks.freeze(ws, releases.latest(ws), Stage.STAGE1, "a test")
    assert [finding.detail for finding in check_promotions(settings) if frozen.benchmark in finding.detail]
    assert problems(settings) == []
    tables.delete_rows(ws, "stage1", "clip_id", [frozen.clips[0].clip_id])
    assert "not stored any more" in problems(settings)[0]


def test_champion_without_a_ledger_row_is_adopted(store, ws):
    tables.delete_rows(ws, "promotions", "model", [MODEL])
    store.client.delete_registered_model_tag(MODEL, "ledger.move")
    assert Champions(store, ws, MODEL).reconcile().champion == 1
    move(store, ws, 2, 1)
    assert pointing(store) == [2, 1]


def test_second_of_two_concurrent_promotions_is_refused(store, ws):
    def attempt(to: int) -> str:
        try:
            move(store, ws, to, 1)
        except PromotionError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        result = list(pool.map(attempt, (2, 3)))
    assert sum(not one for one in result) == 1
    assert any("meanwhile" in one or "under way" in one for one in result)
    winner = 2 if not result[0] else 3
    assert pointing(store) == [winner, 1]
    assert [one.to_version for one in ledger.moves(ws, MODEL)] == [1, winner]


def test_overtaken_move_does_not_reset_the_alias(store, ws, monkeypatch):
    """Another process finishes our move and makes another one before we set the alias."""
    point, calls = champions.set_aliases, []

    def late(tracking, model, aliases):
        if not calls:
            calls.append(aliases)
            Champions(store, ws, MODEL).apply()
            move(store, ws, 3, 2)
        point(tracking, model, aliases)

    monkeypatch.setattr(champions, "set_aliases", late)
    move(store, ws, 2, 1)
    assert pointing(store) == [3, 2]
    assert ledger.last_move(ws, MODEL).to_version == 3


@pytest.fixture
def mortal(tmp_path_factory) -> Iterator[Server]:
    """A server of the test's own, which it may stop."""
    server = Server(tmp_path_factory.mktemp("mortal"))
    server.start()
    yield server
    server.stop()


@pytest.mark.long
def test_lost_server_leaves_a_move_that_is_completed_later(settings, mortal, ws, register, again, monkeypatch):
    on_server = settings.model_copy(update={"tracking": TrackingSettings(uri=mortal.uri, experiment=f"of {ws.root}")})
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    first = register(on_server, "deaf")
    second = again(on_server, first)
    store = open_tracking(on_server.tracking, ws)
    move(store, ws, first, None)
    comparison = gate.open_comparison(on_server, "stage1", str(second))
    intend = ledger.intend

    def then_gone(*given):
        made = intend(*given)
        mortal.stop()
        return made

    monkeypatch.setattr(ledger, "intend", then_gone)
    try:
        with pytest.raises(TrackingError, match="is written"):
            move(store, ws, second, first)
        with pytest.raises(TrackingError, match=f"files of {MODEL} version {second}"):
            gate.score(comparison)
        assert "was interrupted" in problems(on_server)[0]
    finally:
        mortal.start()
    monkeypatch.setattr(ledger, "intend", intend)
    with pytest.raises(PromotionError, match="under way"):
        move(store, ws, first, first)
    assert pointing(store) == [first, None]
    Champions(store, ws, MODEL).reconcile()
    assert pointing(store) == [second, first]
    assert problems(on_server) == []


def test_challenger_alias_is_removed_from_the_champion(store, ws):
    store.client.set_registered_model_alias(MODEL, CHALLENGER, "2")
    move(store, ws, 2, 1)
    assert aliased(store, MODEL, CHALLENGER) is None


def test_version_of_an_intended_move_is_not_deleted(store, ws):
    ledger.intend(ws, MODEL, "promote", 2, 1, "a test", Evidence())
    two, three = (TouchedVersion(named_version(store, MODEL, number), (), 1) for number in ("2", "3"))
    require_not_champion(ws, [three])
    with pytest.raises(PromotionError, match="version 2 was trained on it and is the champion"):
        require_not_champion(ws, [two])


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ([("promote", None, 1)], [1]),
        ([("promote", None, 1), ("promote", 1, 2), ("promote", 2, 3)], [1, 2, 3]),
        ([("promote", None, 1), ("promote", 1, 2), ("rollback", 2, 1)], [1]),
        ([("promote", 4, 5), ("rollback", 5, 2)], [4, 5, 2]),
        ([("promote", None, 1), ("promote", 1, 2), ("rollback", 2, 1), ("promote", 1, 3)], [1, 3]),
    ],
)
def test_rollback_candidates_by_ledger(message, line):
    made = [
        Move(str(n), n, MODEL, kind, "done", before, to, "", "", "", "", None, None, None)
        for n, (kind, before, to) in enumerate(message, 1)
    ]
    assert rollback_line(made) == line
