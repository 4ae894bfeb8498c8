"""Losses by hand: the multiscale_l1 looks at the blended region alone, the hinge has its margin, matching is 0 for
equals.
"""

import pytest
import torch

from heterodub.model.stage2.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    multiscale_l1,
    warp_consistency,
)


def test_warp_consistency_is_the_l1_to_the_nearest_warped_frame():
    torch.manual_seed(1)
    warped, share = torch.rand(2, 6, 16, 16), torch.zeros(2, 16, 16)
    share[:, 4:12, 4:12] = 1
    nearest = warped[:, :3]
    assert warp_consistency(nearest + 0.25, warped, share) == pytest.approx(0.25, abs=1e-6)
    elsewhere = nearest.clone()
    elsewhere[:, :, :4] += 1
    assert warp_consistency(elsewhere, warped, share) == 0


def test_warp_consistency_ignores_windows_without_warped_frames():
    painted, share = torch.full((2, 3, 16, 16), 0.5), torch.ones(2, 16, 16)
    warped = torch.full((2, 6, 16, 16), 0.25)
    warped[1] = 0
    assert warp_consistency(painted, warped, share) == pytest.approx(0.25 / 2)
    assert warp_consistency(painted, 0 * warped, share) == 0


def test_multiscale_l1_counts_only_the_blended_region():
    true, share = torch.rand(1, 3, 16, 16), torch.zeros(1, 16, 16)
    share[:, 8:] = 1
    assert multiscale_l1(true + 0.25, true, share) == pytest.approx(0.25, abs=1e-6)
    made = true.clone()
    made[..., :8, :] += 1
    assert multiscale_l1(made, true, share) == 0
    assert multiscale_l1(true + 1, true, 0 * share) == 0


def test_hinge_loss_is_zero_beyond_the_margin():
    def verdict(value: float):
        return [[torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), float(value))]]

    def both(fake: float, true: float):
        return [[torch.cat([one, other]) for one, other in zip(verdict(fake)[0], verdict(true)[0], strict=True)]]

    assert discriminator_loss(both(0, 0)) == 2
    assert discriminator_loss(both(-5, 5)) == 0
    assert discriminator_loss(both(1, -1)) == 4
    assert adversarial_loss(verdict(0.5)) == -0.5


def test_feature_matching_uses_all_but_the_last_layer():
    made = [[torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)]]
    true = [[torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 9.0)]]
    assert feature_matching_loss(made, true) == 2
