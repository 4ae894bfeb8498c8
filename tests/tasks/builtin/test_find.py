"""Models that ship: verified, readable, small, in the wheel; and the choice where no model is named."""

import shutil

import pytest

from heterodub.model.io import load_discriminators, load_generator, load_translator
from heterodub.schemas.cards import GENERATOR, TRANSLATOR, WEIGHTS
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import ModelFileError, WorkspaceError
from heterodub.tasks.builtin.find import MODEL_CARD, SHIPPED, STAND_INS, builtin_model, model_by_default
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.tracking.conftest import local, ws

__all__ = ["local", "ws"]

KINDS = (GENERATOR, TRANSLATOR)


def test_shipped_models_can_be_read_and_continued():
    folder, name = builtin_model(GENERATOR)
    _, card = load_generator(folder)
    assert name.startswith(f"builtin {GENERATOR}, weights ")
    assert card.backend.startswith("face_mesh_v1")  # the backend that needs no download
    folder, _ = builtin_model(TRANSLATOR)
    _, translator_card = load_translator(folder)
    load_discriminators(folder)
    assert translator_card.backend == card.backend
    assert not translator_card.tuned_on


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_models_are_small_and_have_a_card_for_people(kind):
    folder, _ = builtin_model(kind)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4e6
    text = (folder / MODEL_CARD).read_text("utf-8")
    assert text.startswith(f"# {kind}\n")
    assert all(f"\n## {part}\n" in text for part in ("Data", "Scores", "Limits"))


def test_changed_byte_is_refused(tmp_path):
    folder = shutil.copytree(SHIPPED / GENERATOR, tmp_path / GENERATOR)
    builtin_model(GENERATOR, tmp_path)
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)
    with pytest.raises(ModelFileError, match=f"{WEIGHTS} is not what was logged"):
        builtin_model(GENERATOR, tmp_path)


def test_kind_that_does_not_ship_is_refused():
    with pytest.raises(ModelFileError, match="no wav2lip ships"):
        builtin_model("wav2lip")


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
