"""Training of all four networks; the embedder is frozen in fine-tuning, and a non-finite loss changes nothing."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision

from heterodub.model.stage2.batches import make_batch, render
from heterodub.model.stage2.training_module import DISCRIMINATORS, TRANSLATOR_NETWORK, TranslatorTrainingModule
from heterodub.model.training.module import ValidationResult
from heterodub.model.training.optimization import NotFiniteError, for_features
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.translation import Stage2Settings
from tests.model.stage2.test_batches import PLAIN, clip

SETTINGS = Stage2Settings(preset="tiny", losses={"disc_start_step": 0, "perceptual": 0})


@pytest.fixture(scope="module")
def batch():
    return batch_for(SETTINGS)


def batch_for(settings: Stage2Settings):
    clips = [clip(), clip(12)]
    windows = [Window(0, 3, 2, 1), Window(1, 6, 2, 2)]
    return render(make_batch(windows, clips, ["a", "b"], 2, 3, settings.architecture, PLAIN))


def module(settings=SETTINGS, **named) -> TranslatorTrainingModule:
    return TranslatorTrainingModule(
        Fabric(devices=1, accelerator="cpu"), settings, [], lambda *_: ValidationResult({}), **named
    )


def network(one: TranslatorTrainingModule, name: str) -> torch.nn.Module:
    return one.optimizers[name].network.module


def weights(one: TranslatorTrainingModule) -> dict[str, torch.Tensor]:
    networks = {"": network(one, TRANSLATOR_NETWORK), "discriminators.": network(one, DISCRIMINATORS)}
    return {key + name: value.clone() for key, net in networks.items() for name, value in net.named_parameters()}


def moved(one: TranslatorTrainingModule, batch, steps: int = 3) -> set[str]:
    before = weights(one)
    for step in range(steps):
        one.step_on(batch, step)
    return {name.split(".")[0] for name, value in weights(one).items() if not torch.equal(value, before[name])}


def test_all_four_networks_learn(batch):
    one = module()
    before = weights(one)
    assert moved(one, batch) == {"embedder", "generator", "discriminators"}
    after = weights(one)
    for part in ("discriminators.spatial", "discriminators.temporal"):
        assert any(not torch.equal(after[name], before[name]) for name in after if name.startswith(part))


def test_fine_tuning_leaves_the_embedder_as_it_is(batch):
    begun = module().weights()
    tuned = module(start=begun, freeze=True)
    assert torch.equal(
        tuned.weights()[TRANSLATOR_NETWORK]["generator.out.bias"], begun[TRANSLATOR_NETWORK]["generator.out.bias"]
    )
    assert moved(tuned, batch, 5) == {"generator", "discriminators"}
    shipped = tuned.weights()
    for name, value in begun[TRANSLATOR_NETWORK].items():
        if name.startswith("embedder"):
            assert torch.equal(shipped[TRANSLATOR_NETWORK][name], value)


def test_initial_weights_reach_the_discriminators_too():
    begun = module(SETTINGS.model_copy(update={"seed": 5})).weights()
    taken = module(start=begun).weights()[DISCRIMINATORS]
    assert all(torch.equal(taken[name], value) for name, value in begun[DISCRIMINATORS].items())


def test_warp_consistency_keeps_the_output_near_the_warp(batch):
    """Of two trainings, the one that is held back more moves less; the plain form has nothing to keep to."""

    def learned(weight: float) -> float:
        one = module(Stage2Settings(preset="tiny", losses=SETTINGS.losses.model_dump() | {"warp_consistency": weight}))
        for step in range(20):
            result = one.step_on(batch, step)
        return result["warp_consistency"].item()

    assert learned(30.0) < 0.7 * learned(1e-6)
    plain = Stage2Settings(preset="tiny", losses=SETTINGS.losses.model_dump(), architecture={"candidates": 0})
    assert "warp_consistency" not in module(plain).step_on(batch_for(plain), 0)


@pytest.mark.parametrize(("candidates", "share"), [(0, 0.5), (2, 0.9)])
def test_translator_overfits_one_batch(candidates, share):
    """From grey, and from a warped frame, which is right already but for a little."""
    schedule = {"max_steps": 60, "eval_interval": 60}
    how = {
        "losses": {"disc_start_step": 99, "perceptual": 0},
        "architecture": {"candidates": candidates},
        "schedule": schedule,
    }
    settings = Stage2Settings(preset="tiny", **how)
    one, batch = module(settings), batch_for(settings)
    result = [float(one.step_on(batch, step)["multiscale_l1"]) for step in range(60)]
    assert result[-1] < share * result[0], (result[0], result[-1])


def test_mouth_loss_is_weighted_separately(batch):
    plain = {"disc_start_step": 99, "perceptual": 0, "warp_consistency": 0}
    result = module(Stage2Settings(preset="tiny", losses=plain | {"mouth": 2})).step_on(batch, 0)
    assert result["total"].item() == pytest.approx((result["multiscale_l1"] + 2 * result["mouth_multiscale_l1"]).item())
    assert "mouth_multiscale_l1" not in module(Stage2Settings(preset="tiny", losses=plain | {"mouth": 0})).step_on(
        batch, 0
    )
    (left, top, side), changed = batch.mouths_B3[0].tolist(), {}
    for name, row in (("inside", top + side // 2), ("outside", top + side + 2)):
        other = replace(batch, target_BWW=batch.target_BWW.clone())
        other.target_BWW[0, :, row, left : left + side] -= 0.3
        now = module(Stage2Settings(preset="tiny", losses=plain | {"mouth": 2})).step_on(other, 0)
        changed[name] = {key: float((now[key] - result[key]).abs()) for key in ("multiscale_l1", "mouth_multiscale_l1")}
    assert min(changed["inside"].values()) > 1e-4
    assert changed["outside"]["multiscale_l1"] > 1e-4 and changed["outside"]["mouth_multiscale_l1"] == 0


def test_discriminators_wait_for_their_step(batch):
    one = module(Stage2Settings(preset="tiny", losses={"disc_start_step": 1, "perceptual": 0}))
    assert "discriminators" not in one.step_on(batch, 0)
    assert {"discriminators", "spatial", "temporal"} <= one.step_on(batch, 1).keys()


def test_non_finite_loss_changes_no_weights(batch):
    one = module()
    before = weights(one)
    broken = render(make_batch([Window(0, 3, 2, 1)], [clip()], ["a"], 2, 3, SETTINGS.architecture, PLAIN))
    broken.target_BWW[0, 0, 0, 0] = float("nan")
    with pytest.raises(NotFiniteError):
        one.step_on(broken, 0)
    assert all(torch.equal(value, before[name]) for name, value in weights(one).items())


def test_state_dict_round_trip_resumes_exactly(batch):
    one, other = module(), module(SETTINGS.model_copy(update={"seed": 9}))
    one.step_on(batch, 0)
    other.load_state_dict(one.state_dict())
    result, again = one.step_on(batch, 1), other.step_on(batch, 1)
    assert {name: float(value) for name, value in result.items()} == {k: float(v) for k, v in again.items()}


class Seeing(torch.nn.Module):
    """A feature network that notes in which number format it works."""

    name = "of a test"

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.formats = torch.nn.Conv2d(3, 4, 3).requires_grad_(False), set()

    def forward(self, pictures):
        maps = self.layer(pictures)
        self.formats.add(maps.dtype)
        return [maps]


@pytest.mark.parametrize(("precision", "frozen"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_frozen_networks_work_in_the_trainings_number_format(batch, precision, frozen):
    """Frozen discriminators and feature networks are most of a step; the losses stay in 32 bits."""
    settings = SETTINGS.model_copy(update={"losses": SETTINGS.losses.model_copy(update={"perceptual": 1.0})})
    seeing, heard = Seeing(), set()
    fabric = Fabric(devices=1, accelerator="cpu", precision=precision)
    one = TranslatorTrainingModule(fabric, settings, [seeing], lambda *_: ValidationResult({}))
    scales = network(one, DISCRIMINATORS).spatial.scales
    scales[0].verdict.register_forward_hook(lambda _, given, made: heard.add(made.dtype))
    result = one.step_on(batch, 0)
    assert seeing.formats == heard == {frozen}
    assert {value.dtype for value in result.values()} == {torch.float32}


def test_feature_networks_do_not_work_in_fp16():
    """VGGFace's are fed colours of 0 to 255, and fp16 ends at 65,504."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    fabric = Fabric(devices=1, accelerator="cpu", plugins=MixedPrecision("16-mixed", "cpu", scaler))
    seeing = Seeing()
    with for_features(fabric):
        seeing(torch.zeros(1, 3, 8, 8))
    assert seeing.formats == {torch.float32}
