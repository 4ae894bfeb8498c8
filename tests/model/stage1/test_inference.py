"""Prediction of whole clips: no seams, no look at the mouth, files that say what they are."""

import json
import re

import numpy as np
import pytest
import torch

import heterodub.model.stage1.inference as inference
from heterodub.model.features.landmarks import POSE, PREDICTED
from heterodub.model.io import load_generator, save_model
from heterodub.model.stage1.inference import amplified, predict_clip
from heterodub.schemas.cards import CARD, WEIGHTS, GeneratorCard
from heterodub.schemas.errors import ModelFileError
from tests.model.stage1.test_network import SHAPE, generator
from tests.model.talking import talk


def predicted(made, landmarks, mel, **more):
    return predict_clip(made, mel, landmarks, landmarks[:2], **more)


@pytest.mark.parametrize("piece", [1, 7, 40, 119])
def test_chunked_prediction_equals_one_pass(monkeypatch, piece):
    landmarks, _, mel = talk(120)
    made = generator()
    whole = predicted(made, landmarks, mel)
    monkeypatch.setattr(inference, "_PIECE_FRAMES", piece)
    assert np.abs(predicted(made, landmarks, mel) - whole).max() < 0.01


def test_input_mouth_points_do_not_change_the_prediction():
    landmarks, _, mel = talk(40)
    made, other = generator(), landmarks.copy()
    other[:, PREDICTED] = np.random.default_rng(0).normal(0, 50, other[:, PREDICTED].shape)
    kept = predict_clip(made, mel, landmarks, landmarks[:2])
    assert (predict_clip(made, mel, other, landmarks[:2])[:, PREDICTED] == kept[:, PREDICTED]).all()


def test_pose_points_come_back_untouched():
    landmarks, _, mel = talk(40)
    assert (predicted(generator(), landmarks, mel)[:, POSE] == landmarks[:, POSE]).all()


def test_other_audio_gives_other_lips():
    landmarks, _, mel = talk(40)
    assert (
        np.abs(predicted(generator(), landmarks, mel) - predicted(generator(), landmarks, mel[::-1].copy())).max() > 1
    )


def test_gain_multiplies_the_movement_and_keeps_the_mean():
    points = np.random.default_rng(0).normal(size=(50, 100, 2))
    louder = amplified(points, 1.5)
    np.testing.assert_allclose(louder.mean(0), points.mean(0))
    np.testing.assert_allclose(louder.std(0), 1.5 * points.std(0))


def card(**changes):
    given = {"architecture": SHAPE, "backend": "face_mesh_v1@1", "release": "r0", "seed": 3, "steps": 7}
    return GeneratorCard(**given | changes)


def test_saved_generator_predicts_the_same(tmp_path):
    landmarks, _, mel = talk(40)
    made = generator()
    made.set_pose_filter(np.random.default_rng(0).normal(size=(232, 232)).astype(np.float32))
    save_model(tmp_path / "model", made, card())
    loaded, result = load_generator(tmp_path / "model")
    assert result == card()
    assert (predicted(loaded, landmarks, mel) == predicted(made, landmarks, mel)).all()


@pytest.mark.parametrize("harm", ["no weights", "no card", "cut weights", "other shape", "other contract", "pickle"])
def test_mislabelled_files_are_refused(tmp_path, harm):
    save_model(tmp_path, generator(), card())
    weights, summary = tmp_path / WEIGHTS, json.loads((tmp_path / CARD).read_text())
    match harm:
        case "no weights":
            weights.unlink()
        case "no card":
            (tmp_path / CARD).unlink()
        case "cut weights":
            weights.write_bytes(weights.read_bytes()[:-100])
        case "other shape":
            summary["architecture"]["width"] = 24
            (tmp_path / CARD).write_text(json.dumps(summary))
        case "other contract":
            summary["contract"]["sample_rate_hz"] = 22050
            (tmp_path / CARD).write_text(json.dumps(summary))
        case "pickle":
            torch.save(generator().state_dict(), weights)
    expected = "sample_rate_hz: 22050, not 16000" if harm == "other contract" else str(tmp_path)
    with pytest.raises(ModelFileError, match=re.escape(expected)):
        load_generator(tmp_path)
