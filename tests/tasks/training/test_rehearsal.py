"""The rehearsal of preset `paper`: what it finds wrong with a training, and that its settings train."""

import numpy as np
import pytest

from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.config.translation import Stage2Settings
from tests.bench.rehearsal import FALLING, findings, settings

FALL = np.linspace(1, 0.5, 100).tolist()
GOOD = dict.fromkeys(FALLING, FALL) | {"discriminators": [2.0] * 100}


def test_training_whose_losses_fall_is_fine():
    assert findings(GOOD) == []


@pytest.mark.parametrize("name", FALLING)
def test_loss_that_rises_is_found(name):
    assert findings(GOOD | {name: FALL[::-1]}) == [f"{name} went from 0.548 to 0.902"]


@pytest.mark.parametrize("end", [0.01, 4.0])
def test_discriminators_that_know_all_or_nothing_are_found(end):
    (found,) = findings(GOOD | {"discriminators": [2.0] * 50 + [end] * 50})
    assert found.startswith(f"the discriminators' loss ended at {end:.2f}")


def test_rehearsal_keeps_what_it_is_about():
    """Weights, betas and rates are the preset's; sizes, intervals and the networks that are downloads are not."""
    paper, small = Stage2Settings(preset="paper"), settings()
    kept = ("perceptual", "spatial", "temporal", "matching", "multiscale_l1", "mouth")
    assert all(getattr(small.losses, name) == getattr(paper.losses, name) for name in kept)
    assert small.optimiser.beta1 == paper.optimiser.beta1 == 0.5
    assert small.disc_learning_rate == paper.disc_learning_rate == paper.optimiser.learning_rate
    assert (small.architecture.width, small.discriminators.width) == (16, 16)
    assert paper.losses.disc_start_step > 0
    assert Stage1Settings(preset="paper").motion > 0
