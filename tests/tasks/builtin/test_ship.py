"""Making of the models that ship, from a registered generator; of a translator: tests/flows/test_translate_flow.py."""

import numpy as np

from heterodub.model.io import load_generator
from heterodub.schemas.cards import GENERATOR
from heterodub.tasks.builtin.find import MODEL_CARD, builtin_model
from heterodub.tasks.builtin.ship import OWN, ship
from tests.tasks.promotion.conftest import one_thread, policy, register, settings, talking, trained, ws

__all__ = ["one_thread", "policy", "register", "settings", "talking", "trained", "ws"]


def test_shipped_generator_is_the_registered_one_in_half_the_size(register, settings, trained, tmp_path):
    register(settings, "good")
    (made,) = ship(settings, {GENERATOR: None}, {"the same again": settings}, "A note.", tmp_path)
    assert (made.kind, made.origin) == (GENERATOR, f"{GENERATOR} version 1")
    folder, _ = builtin_model(GENERATOR, tmp_path)
    network, card = load_generator(folder)
    before, card_before = load_generator(trained["good"])
    assert card == card_before
    for name, value in before.state_dict().items():
        assert np.allclose(value, network.state_dict()[name], rtol=1e-3, atol=1e-5), name
    text = (folder / MODEL_CARD).read_text("utf-8")
    assert f"### {OWN}" in text and "### the same again" in text
    assert all(f"\n| {system} |" in text for system in ("paired audio", "copy", "mean face"))
    assert "error of the lips" in text and text.endswith("A note.\n")
