"""Translator and discriminators: they begin with the warped frames, their switches switch, appearance passes by the
vector.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from heterodub.model.stage2 import mask
from heterodub.model.stage2.composite import CHANNELS, LINES
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.model.stage2.layers import Conv
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.schemas.config.translation import DiscriminatorArchitecture, Stage2Settings, TranslatorArchitecture
from tests.model.stage2.faces import speaker

SHAPE = Stage2Settings(preset="tiny").architecture
W = 48


def given(architecture: TranslatorArchitecture, frames: int = 4):
    torch.manual_seed(0)
    inputs = torch.rand(frames, (2 * architecture.context + 1) * CHANNELS, W, W)
    return inputs, torch.rand(frames // 2, 1, 3 + LINES, W, W), torch.rand(frames, 3 * architecture.candidates, W, W), 2


def test_untrained_translator_shows_the_nearest_warped_frame():
    torch.manual_seed(1)
    inputs, known, warped, frames = given(SHAPE)
    painted = LandmarkTranslator(SHAPE)(inputs, known, warped, frames)
    assert painted.shape == (4, 3, W, W)
    assert painted.min() >= 0 and painted.max() <= 1
    nearest, other = warped.reshape(4, 2, 3, W, W).unbind(dim=1)
    assert (painted - nearest).abs().mean() < 0.05 < (painted - (nearest + other) / 2).abs().mean()


@pytest.mark.parametrize("change", [{"candidates": 0}, {"gated": False}, {"context": 0}, {"candidates": 1}])
def test_every_architecture_switch_gives_a_working_network(change):
    architecture = SHAPE.model_copy(update=change)
    translator = LandmarkTranslator(architecture)
    assert translator(*given(architecture)).shape == (4, 3, W, W)
    gates = [one.gated for one in translator.generator.modules() if isinstance(one, Conv)]
    assert gates
    assert all(gate == architecture.gated for gate in gates)
    plain = {name: value.shape for name, value in LandmarkTranslator(SHAPE).state_dict().items()}
    assert plain != {name: value.shape for name, value in translator.state_dict().items()}


def test_another_embedding_changes_the_untrained_output():
    """By more than a step of 8 bits all over the generated region, before training."""
    architecture = Stage2Settings().architecture
    pairs = [speaker(seed, 4, architecture.side_px) for seed in (0, 1)]
    torch.manual_seed(0)
    translator = TranslatorInference(LandmarkTranslator(architecture))
    own, other = (translator.appearance(*pair) for pair in pairs)
    pictures, landmarks = pairs[0]
    made, swapped = (
        translator.translate(known, pictures, landmarks, landmarks)
        for known in (own, replace(own, vector=other.vector))
    )
    assert np.abs(made - swapped)[mask.soft(landmarks, architecture.side_px) > 0.5].mean() > 1 / 255


@pytest.mark.parametrize("gated", [True, False])
def test_layers_preserve_signal_scale_at_init(gated):
    torch.manual_seed(0)
    maps = torch.randn(1, 16, 32, 32)
    layers = torch.nn.Sequential(*(Conv(16, 16, 3, gated=gated) for _ in range(5)))
    assert 0.3 < layers(maps).square().mean().sqrt() < 3


def test_embedding_is_the_mean_over_references():
    embedder = LandmarkTranslator(SHAPE).embedder
    frames = torch.rand(1, 3, 3 + LINES, W, W)
    one_by_one = torch.stack([embedder(frames[:, [number]]) for number in range(3)]).mean(dim=0)
    assert torch.allclose(embedder(frames), one_by_one, atol=1e-5)


def test_discriminators_score_frames_and_runs_at_each_scale():
    architecture = DiscriminatorArchitecture(width=4, layers=2, scales=2)
    single, runs = Discriminators(architecture, 2)(torch.rand(4, 3, W, W), torch.rand(4, LINES, W, W))
    assert [len(opinion[-1]) for opinion in single] == [4, 4]
    assert [len(opinion[-1]) for opinion in runs] == [2, 2]
    assert single[0][-1].shape[-1] == 2 * single[1][-1].shape[-1]


def test_temporal_discriminator_can_be_switched_off():
    discriminators = Discriminators(DiscriminatorArchitecture(width=4, layers=2, temporal=False), 2)
    assert discriminators(torch.rand(2, 3, W, W), torch.rand(2, LINES, W, W))[1] == []
    assert not any(name.startswith("temporal") for name in discriminators.state_dict())


def test_temporal_discriminator_sees_the_order_of_frames():
    discriminators = Discriminators(DiscriminatorArchitecture(width=4, layers=2, scales=1), 2).eval()
    pictures, lines = torch.rand(2, 3, W, W), torch.rand(2, LINES, W, W)
    forward, backward = (
        discriminators(pictures, lines)[1][0][-1],
        discriminators(pictures.flip(0), lines.flip(0))[1][0][-1],
    )
    assert not torch.allclose(forward, backward)
