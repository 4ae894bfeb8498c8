"""Two workspaces on one server, one of them a copy of the other: only one ledger moves the aliases."""

import shutil
from pathlib import Path

import pytest

from heterodub.schemas.errors import PromotionError
from heterodub.tasks.inspect.doctor import check_promotions
from heterodub.tasks.inspect.findings import Health
from heterodub.tasks.promotion import gate, manual
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking import champions, ledger
from heterodub.tasks.tracking.champions import Champions, follow
from heterodub.tasks.tracking.ledger import Evidence
from heterodub.tasks.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, aliased
from heterodub.tasks.tracking.store import open_tracking

MODEL = "landmark-generator"


@pytest.fixture
def store(on_server, ws, register, again):
    """A registry with two versions, the first of which this workspace made champion."""
    opened = open_tracking(on_server.tracking, ws)
    first = register(on_server, "deaf")
    assert [first, again(on_server, first)] == [1, 2]
    move(opened, ws, 1, None)
    return opened


def move(store, ws: Workspace, to: int, against: int | None) -> None:
    Champions(store, ws, MODEL).move("promote", to, against, "a test", Evidence())


def pointing(store) -> list[int | None]:
    result = [aliased(store, MODEL, alias) for alias in (CHAMPION, PREVIOUS, CHALLENGER)]
    return [one.number if one else None for one in result]


def details(settings, health: Health) -> list[str]:
    return [finding.detail for finding in check_promotions(settings) if finding.health is health]


def test_workspace_without_the_leading_ledger_is_refused(on_server, ws, store, tmp_path):
    stranger = Workspace.open(str(tmp_path / "stranger"), create=True)
    foreign = on_server.model_copy(update={"workspace": stranger.root})
    for attempt in (
        lambda: gate.open_comparison(foreign, "stage1", "2"),
        lambda: manual.roll_back(foreign, "stage1", 2, "mine"),
        lambda: manual.promote_override(foreign, "stage1", "2", "mine"),
        lambda: move(store, stranger, 2, 1),
    ):
        with pytest.raises(PromotionError, match=f"another ledger .{ws.root}.*--adopt"):
            attempt()
    assert ledger.moves(stranger) == []
    assert pointing(store) == [1, None, None]
    assert ["of another ledger" in one for one in details(foreign, Health.WARNING)] == [True]
    assert details(on_server, Health.WARNING) == details(on_server, Health.PROBLEM) == []


def test_copied_workspace_takes_the_registry_only_with_adopt(on_server, ws, store, again, tmp_path):
    copy = Workspace.open(str(shutil.copytree(ws.root, tmp_path / "copy")))
    copied = on_server.model_copy(update={"workspace": copy.root})
    with pytest.raises(PromotionError, match="nothing to adopt"):
        manual.roll_back(copied, "stage1", 2, "too early", adopt=True)
    move(store, ws, 2, 1)
    with pytest.raises(PromotionError, match="another ledger"):
        move(store, copy, 2, 1)
    assert ["of another ledger" in one for one in details(copied, Health.PROBLEM)] == [True]
    assert (pointing(store), len(ledger.moves(copy))) == ([2, 1, None], 1)

    again(on_server, 1)
    with pytest.raises(PromotionError, match=r"version 3 .* is neither champion nor previous .* .2, 1.*--override"):
        manual.roll_back(copied, "stage1", 3, "never judged", adopt=True)
    made = manual.roll_back(copied, "stage1", None, "the old machine is gone", adopt=True)
    assert (made.kind, made.from_version, made.to_version) == ("adopt", 2, 2)
    assert (pointing(store), details(copied, Health.PROBLEM)) == ([2, None, None], [])
    with pytest.raises(PromotionError, match="no champion before"):  # who was before it, the other ledger knows
        manual.roll_back(copied, "stage1", None, "back")
    with pytest.raises(PromotionError, match=r"never champion .these were: 2"):
        manual.roll_back(copied, "stage1", 1, "back")
    assert manual.promote_override(copied, "stage1", "1", "back").to_version == 1
    with pytest.raises(PromotionError, match="another ledger"):
        Champions(store, ws, MODEL).reconcile()
    assert "of another ledger" in details(on_server, Health.PROBLEM)[0]


def test_later_of_two_unmarked_ledgers_leads(ws, store, monkeypatch):
    """Another workspace writes its mark, too, between ours and the aliases."""
    point = champions.set_aliases

    def overtaken(tracking, model, aliases):
        follow(tracking, model, "somebody's", "another workspace")
        point(tracking, model, aliases)

    monkeypatch.setattr(champions, "set_aliases", overtaken)
    with pytest.raises(PromotionError, match=r"somebody's of another ledger .another workspace."):
        move(store, ws, 2, 1)
    assert not ledger.last_move(ws, MODEL).is_done


def test_ledger_of_another_registry_promotes_nothing(on_server, ws, store):
    """The server was set up anew, and other models have the numbers of those that the ledger knows."""
    for tag in (*store.client.get_registered_model(MODEL).tags,):
        store.client.delete_registered_model_tag(MODEL, tag)
    store.client.delete_registered_model_alias(MODEL, CHAMPION)
    with pytest.raises(PromotionError, match="never followed a move"):
        gate.open_comparison(on_server, "stage1", "2")
    with pytest.raises(PromotionError, match="`--to VERSION` names one"):
        manual.roll_back(on_server, "stage1", None, "a new server", adopt=True)
    manual.roll_back(on_server, "stage1", 2, "a new server", adopt=True)
    assert pointing(store) == [2, None, None]
    assert Path(ws.root).name in store.client.get_registered_model(MODEL).tags["ledger"]
