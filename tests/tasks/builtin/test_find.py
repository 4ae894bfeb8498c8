"""Models that ship: verified, readable, small, in the wheel."""

import shutil

import pytest

from heterodub.model.io import load_discriminators, load_generator, load_translator
from heterodub.schemas.cards import GENERATOR, TRANSLATOR, WEIGHTS
from heterodub.schemas.errors import ModelFileError
from heterodub.tasks.builtin.find import MODEL_CARD, SHIPPED, builtin_model

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
