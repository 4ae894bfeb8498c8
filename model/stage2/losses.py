"""Losses of the translator and its discriminators.

The GAN loss is the hinge (arXiv 1705.02894): patches classified correctly by a margin give the discriminators no
gradient, so they do not run ahead of a translator that starts from warped real pictures, as they would with least
squares.

Shape suffix legend: B = frames, C = channels, W = side of the window in pixels.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from heterodub.model.stage2.discriminators import DiscriminatorFeatures

_LEVELS: Final = 4


def multiscale_l1(generated_BCWW: Tensor, true_BCWW: Tensor, share_BWW: Tensor) -> Tensor:
    """Return L1 at four scales, each half the one before, weighted by the blended share of each pixel (B, W, W)."""
    off, share = (generated_BCWW - true_BCWW), share_BWW[:, None]
    total = off.new_zeros(())
    for level in range(_LEVELS):
        small = functional.avg_pool2d(off, 2**level) if level else off
        weight = functional.avg_pool2d(share, 2**level) if level else share
        total = total + (small.abs() * weight).sum() / (3 * weight.sum()).clamp_min(1e-6)
    return total / _LEVELS


def warp_consistency(generated_BCWW: Tensor, warped_BKWW: Tensor, share_BWW: Tensor) -> Tensor:
    """Return L1 between the output and the nearest warped frame over the blended region; frames without warped ones
    count as 0, so that several devices agree on one mean.

    A warped frame is mostly right. Trained on some tens of speakers, an unconstrained translator blurs clean faces as
    it does noisy ones; this loss puts a price on every change of the warped frame.

    warped_BKWW: candidates, nearest first, colours beside each other, (B, 3 K, W, W).
    """
    nearest = warped_BKWW[:, :3]
    has_warp = (warped_BKWW.flatten(1).abs().amax(dim=1) > 0).to(generated_BCWW.dtype)[:, None, None, None]
    share = share_BWW[:, None]
    return ((generated_BCWW - nearest).abs() * share * has_warp).sum() / (3 * share.sum()).clamp_min(1e-6)


def discriminator_loss(features: Sequence[DiscriminatorFeatures]) -> Tensor:
    """Return the hinge loss of the discriminators, mean over scales: real patches above 1, generated ones below -1.

    features: by scale, of a batch whose first half is generated and whose second half is real.
    """
    parts = []
    for scale in features:
        fake, real = scale[-1].chunk(2)
        parts.append(functional.relu(1 - real).mean() + functional.relu(1 + fake).mean())
    return torch.stack(parts).mean()


def adversarial_loss(generated: Sequence[DiscriminatorFeatures]) -> Tensor:
    """Return the translator's hinge GAN loss: minus the mean patch score, mean over scales."""
    return torch.stack([-fake[-1].mean() for fake in generated]).mean()


def feature_matching_loss(generated: Sequence[DiscriminatorFeatures], true: Sequence[DiscriminatorFeatures]) -> Tensor:
    """Return the feature-matching loss (arXiv 1711.11585): L1 of the discriminators' inner maps; those of the ground
    truth take no gradient.
    """
    parts = [
        (fake_map - real_map.detach()).abs().mean()
        for fake, real in zip(generated, true, strict=True)
        for fake_map, real_map in zip(fake[:-1], real[:-1], strict=True)
    ]
    return torch.stack(parts).mean()
