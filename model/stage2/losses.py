"""What the translator and its discriminators learn from.

The GAN loss is the hinge (arXiv 1705.02894): a patch that is judged rightly by a margin teaches the discriminators
nothing more, so they do not run ahead of a translator that starts from warped real pictures; least squares would go
on pulling.

Shape suffix legend: B = frames, C = channels, W = side of the window in pixels.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from model.stage2.discriminators import DiscriminatorFeatures

_LEVELS: Final = 4


def multiscale_l1(made_BCWW: Tensor, true_BCWW: Tensor, share_BWW: Tensor) -> Tensor:
    """L1 at four sizes, each half the one before, over the blended region: its share in each pixel (B, W, W)."""
    off, share = (made_BCWW - true_BCWW), share_BWW[:, None]
    total = off.new_zeros(())
    for level in range(_LEVELS):
        small = functional.avg_pool2d(off, 2**level) if level else off
        weight = functional.avg_pool2d(share, 2**level) if level else share
        total = total + (small.abs() * weight).sum() / (3 * weight.sum()).clamp_min(1e-6)
    return total / _LEVELS


def warp_consistency(painted_BCWW: Tensor, warped_BKWW: Tensor, share_BWW: Tensor) -> Tensor:
    """L1 between what is painted and the nearest warped frame over the blended region; frames that are shown no warped
    ones count as 0, so that several devices agree on one mean.

    What a warped frame shows is mostly right. Taught by some tens of speakers, a translator that is free to change
    everything repaints clean faces in the blur that served the noisy ones; so a change has to be worth more than
    this.

    warped_BKWW: candidates, nearest first, colours beside each other, (B, 3 K, W, W).
    """
    nearest = warped_BKWW[:, :3]
    there = (warped_BKWW.flatten(1).abs().amax(dim=1) > 0).to(painted_BCWW.dtype)[:, None, None, None]
    share = share_BWW[:, None]
    return ((painted_BCWW - nearest).abs() * share * there).sum() / (3 * share.sum()).clamp_min(1e-6)


def discriminator_loss(made: Sequence[DiscriminatorFeatures], true: Sequence[DiscriminatorFeatures]) -> Tensor:
    """What discriminators learn from, mean over scales: true patches above 1, made ones below -1."""
    parts = [
        functional.relu(1 - real[-1]).mean() + functional.relu(1 + fake[-1]).mean()
        for fake, real in zip(made, true, strict=True)
    ]
    return torch.stack(parts).mean()


def adversarial_loss(made: Sequence[DiscriminatorFeatures]) -> Tensor:
    """What the translator learns from verdicts: up with them."""
    return torch.stack([-fake[-1].mean() for fake in made]).mean()


def feature_matching_loss(made: Sequence[DiscriminatorFeatures], true: Sequence[DiscriminatorFeatures]) -> Tensor:
    """Feature matching (arXiv 1711.11585): distance of the discriminators' inner maps; those of the truth take no
    gradient.
    """
    parts = [
        (one - other.detach()).abs().mean()
        for fake, real in zip(made, true, strict=True)
        for one, other in zip(fake[:-1], real[:-1], strict=True)
    ]
    return torch.stack(parts).mean()
