"""Choice of a model where none is named: the champion, else what stands in for it."""

import pytest

from heterodub.schemas.cards import GENERATOR, TRANSLATOR
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.dubbing.model_lookup import STAND_INS, model_by_default
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.tracking.conftest import local, ws

__all__ = ["local", "ws"]

KINDS = (GENERATOR, TRANSLATOR)


@pytest.mark.parametrize("kind", KINDS)
def test_default_without_a_workspace_ships(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, why = model_by_default(Settings(), kind)
    assert name == STAND_INS[kind]
    assert "there is no workspace" in why
    assert list(tmp_path.iterdir()) == []


def test_default_of_a_mistyped_workspace_is_an_error(tmp_path):
    with pytest.raises(WorkspaceError):
        model_by_default(Settings(workspace=str(tmp_path / "mistyped")), GENERATOR)


def test_default_of_an_empty_workspace_ships(tmp_path):
    empty = Workspace.open(str(tmp_path / "empty"), create=True)
    name, why = model_by_default(Settings(workspace=empty.root), GENERATOR)
    assert name == STAND_INS[GENERATOR]
    assert f"has no champion of {GENERATOR}" in why


def test_default_is_the_champion_where_there_is_one(local, ws):
    settings = Settings(workspace=ws.root)
    local.client.create_registered_model(GENERATOR)
    version = local.client.create_model_version(GENERATOR, f"{ws.root}/mlflow/artifacts/none")
    assert model_by_default(settings, GENERATOR)[0] == STAND_INS[GENERATOR]  # newer ones do not pass for the champion
    local.client.set_registered_model_alias(GENERATOR, "champion", version.version)
    assert model_by_default(settings, GENERATOR) == ("@champion", None)
    assert model_by_default(settings, TRANSLATOR)[0] == STAND_INS[TRANSLATOR]
