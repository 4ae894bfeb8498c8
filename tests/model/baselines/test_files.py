"""A rival on disk: comes back as it was, and is refused when damaged or of another contract."""

import numpy as np
import pytest

from model.baselines.files import CARD, WEIGHTS, load_rival, save_rival
from model.baselines.named import RIVALS
from model.baselines.painting import RivalPainter
from schemas.cards import RivalCard
from schemas.errors import ModelFileError
from tasks.tracking.example import rival_example
from tests.model.baselines.talkers import SETTINGS


def saved(folder, name="atvgnet"):
    network = RIVALS[name].build(SETTINGS.shape)
    card = RivalCard(kind=name, shape=SETTINGS.shape, backend="face_mesh_v1", release="r1", seed=0, steps=3)
    save_rival(folder, network, card)
    return RivalPainter(network), card


@pytest.mark.parametrize("name", RIVALS)
def test_it_comes_back_as_it_was(tmp_path, name):
    painter, card = saved(tmp_path / "model", name)
    again, told = load_rival(tmp_path / "model")
    given = rival_example(64)
    given = [given[key] for key in ("pictures", "mel", "reference_pictures", "reference_landmarks")]
    assert told == card
    assert np.array_equal(again.paint(*given), painter.paint(*given))


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_a_damaged_file_is_refused(tmp_path, name):
    saved(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-40])
    with pytest.raises(ModelFileError, match=r"holds no rival|does not hold what its card says"):
        load_rival(tmp_path)


def test_another_contract_is_refused(tmp_path):
    saved(tmp_path)
    (tmp_path / CARD).write_text((tmp_path / CARD).read_text().replace('"fps": 25', '"fps": 30'))
    with pytest.raises(ModelFileError, match="fps: 30, not 25"):
        load_rival(tmp_path)
