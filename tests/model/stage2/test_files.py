"""A translator on disk: comes back as it was, and is refused when damaged or of another contract."""

import json

import pytest
import torch

from heterodub.model.io import load_discriminators, load_translator, save_model
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.schemas.cards import CARD, DISCRIMINATORS, WEIGHTS, TranslatorCard
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import ModelFileError

SETTINGS = Stage2Settings(preset="tiny")


def saved(folder, **more):
    translator, discriminators = LandmarkTranslator(SETTINGS.architecture), Discriminators(SETTINGS.discriminators, 2)
    card = TranslatorCard(
        architecture=SETTINGS.architecture,
        discriminators=SETTINGS.discriminators,
        window_frames=2,
        backend="face_mesh_v1",
        release="r1",
        seed=0,
        steps=3,
        perception=("a network",),
        **more,
    )
    save_model(folder, translator, card, discriminators)
    return translator, discriminators, card


def test_saved_model_loads_unchanged(tmp_path):
    translator, discriminators, card = saved(tmp_path / "model")
    again, result = load_translator(tmp_path / "model")
    assert result == card
    assert all(torch.equal(again.state_dict()[name], value) for name, value in translator.state_dict().items())
    back = load_discriminators(tmp_path / "model").state_dict()
    assert all(torch.equal(back[name], value) for name, value in discriminators.state_dict().items())


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_damaged_file_is_refused(tmp_path, name):
    saved(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-40])
    with pytest.raises(ModelFileError):
        load_translator(tmp_path)


def test_missing_discriminators_are_reported(tmp_path):
    saved(tmp_path)
    (tmp_path / DISCRIMINATORS).unlink()
    with pytest.raises(ModelFileError, match=DISCRIMINATORS):
        load_discriminators(tmp_path)


@pytest.mark.parametrize(
    "claim", [{"width": 2**24}, {"embedding_dim": 2**40}, {"side_px": 32 * 2**30}, {"blocks": 10**9}]
)
def test_card_that_claims_a_network_larger_than_any_memory_is_refused(tmp_path, claim):
    """Before the network is made, not when memory ends."""
    saved(tmp_path)
    summary = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(summary | {"architecture": summary["architecture"] | claim}))
    with pytest.raises(ModelFileError):
        load_translator(tmp_path)


def test_another_contract_is_refused(tmp_path):
    saved(tmp_path)
    (tmp_path / CARD).write_text((tmp_path / CARD).read_text().replace('"fps": 25', '"fps": 30'))
    with pytest.raises(ModelFileError, match="fps: 30, not 25"):
        load_translator(tmp_path)
