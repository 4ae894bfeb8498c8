"""Translators in MLflow: logged beside generators, fetched by kind, painting the same again, refused when swapped."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from heterodub.model.io import load_translator
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.schemas.cards import DISCRIMINATORS, FINETUNED, GENERATOR
from heterodub.schemas.errors import ModelFileError, TrackingError
from heterodub.tasks.tracking.kinds import FINETUNED_TRANSLATOR, LANDMARK_TRANSLATOR, translator_example
from heterodub.tasks.tracking.models import fetch_model, fetch_version, log_model
from heterodub.tasks.tracking.registry import named_version, usable_version
from heterodub.tasks.tracking.runs import tracked_run
from tests.model.stage2.test_files import saved
from tests.tasks.tracking.predictors import load_predictor


@pytest.fixture
def logged(local, tmp_path):
    saved(tmp_path / "translator")
    with tracked_run(local, "train") as run:
        return log_model(run, tmp_path / "translator", LANDMARK_TRANSLATOR)


def test_registered_translator_predicts_the_same(local, logged, tmp_path):
    given = translator_example(64)
    translator, card = load_translator(tmp_path / "translator")
    translator = TranslatorInference(translator)
    known = translator.appearance(given["reference_pictures"], given["reference_landmarks"])
    expected = translator.translate(known, given["pictures"], given["source"], given["wanted"])
    predictor = load_predictor(local, logged, tmp_path / "fetched")
    assert np.allclose(predictor.predict(given), expected, atol=1e-6)
    assert (logged.name, logged.number, logged.tags["steps"]) == ("landmark-translator", 1, str(card.steps))


def test_translator_is_found_by_its_kind(local, logged, tmp_path):
    assert named_version(local, LANDMARK_TRANSLATOR.name, logged.run_id) == logged
    folder = fetch_version(local, usable_version(local, LANDMARK_TRANSLATOR.name, None), tmp_path / "fetched")
    assert load_translator(folder)[1] == load_translator(tmp_path / "translator")[1]
    with pytest.raises(TrackingError, match="`heterodub train stage1` makes one"):
        usable_version(local, GENERATOR, None)


def test_finetuned_version_is_never_newest_and_found_by_name(local, logged, tmp_path):
    saved(tmp_path / "tuned", tuned_on=("a clip",))
    with tracked_run(local, "finetune") as run:
        with pytest.raises(ModelFileError, match=FINETUNED):
            log_model(run, tmp_path / "tuned", LANDMARK_TRANSLATOR)
        with pytest.raises(ModelFileError, match="landmark-translator alone"):
            log_model(run, tmp_path / "translator", FINETUNED_TRANSLATOR)
        tuned = log_model(run, tmp_path / "tuned", FINETUNED_TRANSLATOR)
    newest = local.client.get_registered_model("landmark-translator").latest_versions
    assert {one.run_id for one in newest} == {logged.run_id}
    assert usable_version(local, "landmark-translator", None) == logged
    for name in (f"{FINETUNED}/1", f"models:/{FINETUNED}/1", run.run_id):
        assert usable_version(local, "landmark-translator", name) == tuned
    for name in (f"{FINETUNED}/7", f"{FINETUNED}@champion", FINETUNED):
        with pytest.raises(TrackingError, match="has no version"):
            usable_version(local, "landmark-translator", name)
    with pytest.raises(TrackingError, match="no landmark-generator is registered"):
        usable_version(local, "landmark-generator", f"{FINETUNED}/1")


def test_swapped_discriminators_are_refused(local, logged, tmp_path):
    place = local.client.get_model_version_download_uri(logged.name, str(logged.number))
    path = f"{place}/artifacts/translator/{DISCRIMINATORS}"
    save_file({name: torch.zeros_like(value) for name, value in load_file(path).items()}, path)
    with pytest.raises(ModelFileError, match=DISCRIMINATORS):
        fetch_model(local, logged, tmp_path / "fetched")
