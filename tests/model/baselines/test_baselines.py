"""All four baselines: they learn, resume exactly, depend on the audio, and see only permitted pixels."""

import numpy as np
import pytest
import torch

from heterodub.model.baselines.inference import BaselineInference
from heterodub.model.baselines.layers import lower_half
from heterodub.model.baselines.training_module import TRANSLATOR_NETWORK
from heterodub.model.baselines.wav2lip import EXPERT, middle
from heterodub.model.training.optimization import NotFiniteError
from heterodub.schemas.config.baselines import BASELINES, BaselineSettings
from tests.model.baselines.talkers import batch, module, talker

DUBBERS, ANIMATORS = ("lipgan", "wav2lip"), ("atvgnet", "makeittalk")


def paints(steps: int = 24) -> BaselineSettings:
    """Settings of a short overfit: discriminators wait, the expert is done after a step."""
    rates = {"optimiser": {"learning_rate": 3e-3, "ema_decay": 0.5}}
    return BaselineSettings(preset="tiny", schedule={"max_steps": steps}, syncnet_steps=1, disc_start_step=99, **rates)


@pytest.fixture(scope="module")
def learned():
    """Each baseline after a short overfit: its losses by step, and its translator."""
    collected = {}
    for name in BASELINES:
        one, given = module(name, paints()), batch()
        result = [{key: float(value) for key, value in one.training_step(given, step).items()} for step in range(24)]
        collected[name] = result, BaselineInference(one.ema_network)
    return collected


@pytest.mark.parametrize(
    ("name", "loss", "falls_to"),
    [
        ("lipgan", "l1", 0.85),
        ("wav2lip", "l1", 0.85),
        ("atvgnet", "dynamic_l1", 0.95),  # it begins with half of the reference, which is nearly the answer
        ("atvgnet", "landmarks", 0.8),
        ("makeittalk", "l1", 0.85),
        ("makeittalk", "content", 0.8),
        ("makeittalk", "speaker", 0.8),
    ],
)
def test_baseline_overfits_one_batch(learned, name, loss, falls_to):
    values = [result[loss] for result in learned[name][0] if loss in result]
    assert np.mean(values[-3:]) < falls_to * values[0]


@pytest.fixture(scope="module")
def given():
    clip = talker(3)
    known = clip.face_clip.pictures_TSS3[20:23], clip.face_clip.landmarks_TPXY[20:23]
    return clip.face_clip.pictures_TSS3[:18], clip.mel_TMK[:18], *known


@pytest.mark.parametrize("name", BASELINES)
def test_generated_crops_depend_on_the_audio(learned, given, name):
    crops, mel, *known = given
    translator = learned[name][1]
    made = translator.generate(crops, mel, *known)
    assert (made.shape, made.dtype) == (crops.shape, np.uint8)
    assert not np.array_equal(made, translator.generate(crops, mel[::-1], *known))
    assert np.array_equal(made, translator.generate(crops, mel, *known))


@pytest.mark.parametrize("name", DUBBERS)
def test_hidden_pixels_do_not_leak(learned, given, name):
    crops, mel, *known = given
    spoiled, shown = crops.copy(), crops.copy()
    spoiled[:, 32:], shown[:, :32] = 255, 255
    translator = learned[name][1]
    made = translator.generate(crops, mel, *known)
    assert np.array_equal(made, translator.generate(spoiled, mel, *known))
    assert not np.array_equal(made, translator.generate(shown, mel, *known))


@pytest.mark.parametrize("name", ANIMATORS)
def test_animators_use_one_reference_and_no_crop(learned, given, name):
    crops, mel, pictures, landmarks = given
    translator = learned[name][1]
    made = translator.generate(crops, mel, pictures, landmarks)
    assert np.array_equal(made, translator.generate(255 - crops, mel, pictures, landmarks))
    assert np.array_equal(made, translator.generate(crops, mel, pictures[[1]], landmarks[[1]]))
    assert not np.array_equal(made, translator.generate(crops, mel, pictures[[2]], landmarks[[2]]))


@pytest.mark.parametrize("name", DUBBERS)
def test_long_clip_is_generated_frame_by_frame(learned, given, name):
    crops, mel, *known = given
    translator = learned[name][1]
    whole, alone = translator.generate(crops, mel, *known), translator.generate(crops[17:], mel[17:], *known)
    assert np.abs(whole[17:].astype(int) - alone).max() <= 1


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda crops, mel: (crops[:, :32, :32], mel), "pictures are uint8"),
        (lambda crops, mel: (crops, mel[:-1]), "mel windows"),
        (lambda crops, mel: (crops, mel * np.nan), "mel windows"),
        (lambda crops, mel: (crops[:0], mel[:0]), "at least one picture"),
    ],
)
def test_invalid_inputs_are_refused(learned, given, spoil, says):
    crops, mel, *known = given
    with pytest.raises(ValueError, match=says):
        learned["lipgan"][1].generate(*spoil(crops, mel), *known)


@pytest.mark.parametrize("name", BASELINES)
def test_state_dict_round_trip_resumes_exactly(name):
    one, other, given = module(name), module(name, BaselineSettings(preset="tiny", seed=9)), batch()
    for step in (0, 5, 7):  # Wav2Lip's expert, its translator alone, with discriminators
        one.training_step(given, step)
    other.load_state_dict(one.state_dict())
    result, again = one.training_step(given, 8), other.training_step(given, 8)
    assert {key: float(value) for key, value in result.items()} == {key: float(value) for key, value in again.items()}
    assert "discriminator" in result


@pytest.mark.parametrize(("name", "side"), [*((name, 96) for name in BASELINES), ("lipgan", 160)])
def test_crop_side_need_not_be_a_power_of_two(name, side):
    one, clip = module(name, BaselineSettings(preset="tiny", architecture={"side_px": side})), talker(3, side=side)
    for step in (0, 7):
        assert torch.isfinite(one.training_step(batch(side=side), step)["total"])
    crops, landmarks = clip.face_clip.pictures_TSS3[:2], clip.face_clip.landmarks_TPXY[:2]
    assert BaselineInference(one.ema_network).generate(crops, clip.mel_TMK[:2], crops, landmarks).shape == crops.shape


@pytest.mark.parametrize("name", BASELINES)
def test_non_finite_loss_changes_no_weights(name):
    one, broken = module(name), batch()
    broken.shown_NFCSS[0, 0, 0, 0, 0] = float("nan")
    before = weights(one)
    with pytest.raises(NotFiniteError):
        one.training_step(broken, 8)
    assert same(weights(one), before)


def weights(one) -> dict[str, torch.Tensor]:
    """Return the learned weights; a spectral norm's vectors are buffers."""
    return {
        f"{name}.{key}": value.detach().clone()
        for name, optimizer in one.optimizers.items()
        for key, value in optimizer.network.module.named_parameters()
    }


def same(one, other, part: str = "") -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items() if key.startswith(part))


def test_syncnet_trains_first_and_is_then_frozen():
    one, given = module("wav2lip"), batch()
    start = weights(one)
    for step in range(4):
        assert "expert/loss" in one.training_step(given, step)
    taught = weights(one)
    assert same(start, taught, TRANSLATOR_NETWORK) and not same(start, taught, EXPERT)
    shipped = {key: value.clone() for key, value in one.expert.state_dict().items()}
    for step in range(4, 8):
        assert {"l1", "sync"} <= one.training_step(given, step).keys()
    after = weights(one)
    assert same(taught, after, EXPERT) and not same(taught, after, TRANSLATOR_NETWORK)
    assert all(torch.equal(value, shipped[key]) for key, value in one.expert.state_dict().items())


def test_generator_gets_gradients_from_the_syncnet():
    one, given = module("wav2lip"), batch()
    faces = given.shown_NFCSS.clone().requires_grad_()
    (-one.expert(faces, middle(given.heard_NFMK)).log().mean()).backward()
    assert lower_half(faces.grad).abs().max() > 0
    assert faces.grad[..., :32, :].abs().max() == 0  # lower halves are all it looks at
    assert all(value.grad is None for value in one.expert.parameters())


def test_syncnet_learns_matching_pairs():
    """On two clips by heart; what it is worth on unseen speakers is docs/baselines.md's to say."""
    one = module("wav2lip", BaselineSettings(preset="tiny", syncnet_steps=32, optimiser={"learning_rate": 3e-3}))
    few = [batch(start=start, seed=start) for start in (2, 8, 14, 20)]
    result = [one.training_step(few[step % 4], step) for step in range(32)]
    assert np.mean([float(one["expert/loss"]) for one in result[-8:]]) < 0.9 * float(result[0]["expert/loss"])
    assert "expert/val_right" in one.validation_step(32).scores
