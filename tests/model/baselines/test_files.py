"""A baseline on disk: comes back as it was, and is refused when damaged or of another contract."""

import numpy as np
import pytest

from heterodub.model.baselines.build import BASELINES
from heterodub.model.baselines.inference import BaselineInference
from heterodub.model.io import load_baseline, save_model
from heterodub.schemas.cards import CARD, WEIGHTS, BaselineCard
from heterodub.schemas.errors import ModelFileError
from heterodub.tasks.tracking.kinds import baseline_example
from tests.model.baselines.talkers import SETTINGS


def saved(folder, name="atvgnet"):
    network = BASELINES[name].build(SETTINGS.architecture)
    card = BaselineCard(
        kind=name, architecture=SETTINGS.architecture, backend="face_mesh_v1", release="r1", seed=0, steps=3
    )
    save_model(folder, network, card)
    return BaselineInference(network), card


@pytest.mark.parametrize("name", BASELINES)
def test_saved_model_loads_unchanged(tmp_path, name):
    translator, card = saved(tmp_path / "model", name)
    again, result = load_baseline(tmp_path / "model")
    given = baseline_example(64)
    given = [given[key] for key in ("pictures", "mel", "reference_pictures", "reference_landmarks")]
    assert result == card
    assert np.array_equal(again.generate(*given), translator.generate(*given))


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_damaged_file_is_refused(tmp_path, name):
    saved(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-40])
    with pytest.raises(ModelFileError, match=r"holds no baseline|does not hold what its card says"):
        load_baseline(tmp_path)


def test_another_contract_is_refused(tmp_path):
    saved(tmp_path)
    (tmp_path / CARD).write_text((tmp_path / CARD).read_text().replace('"fps": 25', '"fps": 30'))
    with pytest.raises(ModelFileError, match="fps: 30, not 25"):
        load_baseline(tmp_path)
