"""Voices: the network against torch's, its mel against librosa's filters, and voices distinguished."""

import numpy as np
import pytest
import torch

from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.tasks.identity import voice_embedding
from heterodub.tasks.identity.voice_embedding import LEAST_SPEECH_S, VOICE_SIZE, open_voice_encoder
from heterodub.tasks.identity.weights import package_file, read_float_tensors
from tests.tasks.quality.conftest import speeches  # noqa: F401 - a fixture

FILE = package_file("resemblyzer", "pretrained.pt")


@pytest.fixture(scope="module")
def encoder():
    return open_voice_encoder()


def spoken(speech: np.ndarray, first_s: float, seconds: float) -> np.ndarray:
    """Some seconds of a speech without its pauses."""
    sounding = speech[np.abs(speech) > 1e-3]
    return sounding[round(first_s * SAMPLE_RATE_HZ) : round((first_s + seconds) * SAMPLE_RATE_HZ)]


def test_tensors_are_those_that_torch_reads():
    expected = torch.load(FILE, map_location="cpu", weights_only=True)["model_state"]
    found = read_float_tensors(FILE, "model_state")
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], tensor.numpy()) for name, tensor in expected.items())


def test_network_gives_what_torch_gives(encoder):
    state = torch.load(FILE, map_location="cpu", weights_only=True)["model_state"]
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    for module, name in ((lstm, "lstm."), (linear, "linear.")):
        module.load_state_dict({key[len(name) :]: tensor for key, tensor in state.items() if key.startswith(name)})
    mel = np.random.default_rng(0).gamma(1, 0.1, (2, 160, 40)).astype(np.float32)
    with torch.no_grad():
        raw = torch.relu(linear(lstm(torch.from_numpy(mel))[1][0][-1]))
    np.testing.assert_allclose(encoder._forward(mel), (raw / raw.norm(dim=1, keepdim=True)).numpy(), atol=1e-5)


def test_mel_is_that_of_the_recogniser():
    """A tone lies in the band of its frequency, in every column but those at the ends."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ).astype(np.float32)
    mel = voice_embedding._mel(tone)
    assert mel.shape == (101, 40)
    assert set(mel[3:-3].argmax(axis=1)) == {int(voice_embedding._mel_bank()[25].argmax())}


def test_one_voice_is_nearer_than_another(encoder, speeches):  # noqa: F811
    one, again, other = (
        encoder.embed(spoken(speech, first, 2.0))
        for speech, first in ((speeches[0], 0), (speeches[0], 2), (speeches[1], 0))
    )
    for embedding in (one, again, other):
        assert embedding.shape == (VOICE_SIZE,) and abs(np.linalg.norm(embedding) - 1) < 1e-5
    assert one @ again > 0.8 > one @ other


def test_level_hardly_changes_an_embedding(encoder, speeches):  # noqa: F811
    speech = spoken(speeches[0], 0, 2.0)
    assert encoder.embed(speech * 0.02) @ encoder.embed(speech * 0.1) > 0.99


def test_too_little_speech_is_refused(encoder):
    with pytest.raises(ValueError, match="less than"):
        encoder.embed(np.zeros(round(LEAST_SPEECH_S * SAMPLE_RATE_HZ) - 1, np.float32))


def test_file_that_holds_code_is_refused(tmp_path):
    import pickle

    (bad := tmp_path / "bad.pt").write_bytes(pickle.dumps(print) * 5)
    with pytest.raises(ValueError, match="builtins"):
        read_float_tensors(bad, "model_state")
    bad.write_bytes(FILE.read_bytes()[:500])
    with pytest.raises(ValueError, match="no checkpoint"):
        read_float_tensors(bad, "model_state")
