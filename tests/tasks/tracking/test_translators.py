"""Translators in MLflow: logged beside generators, fetched by kind, painting the same again, refused when swapped."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model.stage2.files import CRITICS, load_translator
from model.stage2.inference import PainterTranslator
from schemas.errors import ModelFileError, TrackingError
from tasks.tracking.example import translator_example
from tasks.tracking.kinds import LANDMARK_TRANSLATOR
from tasks.tracking.models import fetch_model, load_predictor, log_model
from tasks.tracking.registry import fetch_named, named_version
from tasks.tracking.runs import tracked_run
from tests.model.stage2.test_files import saved


@pytest.fixture
def logged(local, tmp_path):
    saved(tmp_path / "translator")
    with tracked_run(local, "train") as run:
        return log_model(run, tmp_path / "translator", LANDMARK_TRANSLATOR)


def test_it_paints_the_same_from_the_registry(local, logged, tmp_path):
    given = translator_example(64)
    painter, card = load_translator(tmp_path / "translator")
    translator = PainterTranslator(painter)
    known = translator.appearance(given["reference_pictures"], given["reference_landmarks"])
    expected = translator.translate(known, given["pictures"], given["source"], given["wanted"])
    predictor = load_predictor(local, logged, tmp_path / "fetched")
    assert np.allclose(predictor.predict(given), expected, atol=1e-6)
    assert (logged.name, logged.number, logged.tags["steps"]) == ("landmark-translator", 1, str(card.steps))


def test_it_is_found_by_its_kind(local, logged, tmp_path):
    assert named_version(local, LANDMARK_TRANSLATOR.name, logged.run_id) == logged
    folder = fetch_named(local, None, tmp_path / "fetched", LANDMARK_TRANSLATOR)
    assert load_translator(folder)[1] == load_translator(tmp_path / "translator")[1]
    with pytest.raises(TrackingError, match="`heterodub train stage1` makes one"):
        fetch_named(local, None, tmp_path / "other")


def test_swapped_critics_are_refused(local, logged, tmp_path):
    place = local.client.get_model_version_download_uri(logged.name, str(logged.number))
    path = f"{place}/artifacts/translator/{CRITICS}"
    save_file({name: torch.zeros_like(value) for name, value in load_file(path).items()}, path)
    with pytest.raises(ModelFileError, match=CRITICS):
        fetch_model(local, logged, tmp_path / "fetched")
