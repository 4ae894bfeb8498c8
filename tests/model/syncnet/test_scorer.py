"""The network and its loss: by hand on chosen embeddings, by invariants on a batch."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from heterodub.model.evaluation import syncnet as scorer_module
from heterodub.model.evaluation.sync_windows import WindowPairs, sample_pairs
from heterodub.model.evaluation.syncnet import SyncScorer, contrastive_loss
from heterodub.tasks.evaluation.generator_scores import STANDARD
from tests.model.syncnet.talkers import clip


def batch(per_clip: int = 6) -> WindowPairs:
    return sample_pairs([[clip(80, seed)] for seed in range(3)], 3, per_clip, np.random.default_rng(0))


def test_embeddings_have_length_1():
    scorer, pairs = SyncScorer(width=16), batch()
    for embedded in (scorer.embed_mel(pairs.mel_NCM), scorer.embed_lips(pairs.lips_NFLXY)):
        assert embedded.shape == (18, 64)
        assert torch.allclose(embedded.norm(dim=-1), torch.ones(18))


def test_default_is_small():
    assert sum(parameter.numel() for parameter in SyncScorer().parameters()) <= 300_000


def test_window_is_embedded_as_if_it_were_alone():
    scorer, pairs = SyncScorer(width=16).eval(), batch()
    assert torch.allclose(scorer.embed_mel(pairs.mel_NCM)[3:4], scorer.embed_mel(pairs.mel_NCM[3:4]), atol=1e-6)
    assert torch.allclose(scorer.embed_lips(pairs.lips_NFLXY)[3:4], scorer.embed_lips(pairs.lips_NFLXY[3:4]), atol=1e-6)


def blind_scorer() -> SyncScorer:
    """Everything resembles everything: the last layers know one answer."""
    scorer = SyncScorer(width=16)
    with torch.no_grad():
        for layer in (scorer.hears[-1], scorer.sees[-1]):
            layer.weight.zero_()
            layer.bias.fill_(1.0)
    return scorer


def test_contrastive_loss_of_chance_by_hand():
    pairs = replace(batch(2), clip_N=torch.tensor([0, 0, 0, 1, 1, 2]), start_N=torch.tensor([0, 10, 20, 0, 10, 0]))
    everywhere = math.log(6)
    within = (3 * math.log(3) + 2 * math.log(2) + math.log(1)) / 6
    assert contrastive_loss(blind_scorer(), pairs).item() == pytest.approx((everywhere + within) / 2, rel=1e-5)


def test_windows_that_overlap_are_no_negatives():
    # windows 0 and 1 overlap by a frame, 1 and 2 touch; all of another clip count
    pairs = replace(batch(1), clip_N=torch.tensor([0, 0, 0]), start_N=torch.tensor([0, 4, 9]))
    choices = (2, 2, 3)  # each with those at 5 frames and more
    wanted = sum(map(math.log, choices)) / 3
    assert contrastive_loss(blind_scorer(), pairs).item() == pytest.approx(wanted, rel=1e-5)
    apart = replace(pairs, clip_N=torch.tensor([0, 1, 2]))
    assert contrastive_loss(blind_scorer(), apart).item() == pytest.approx(math.log(3) / 2, rel=1e-5)


def test_every_weight_learns():
    scorer = SyncScorer(width=16)
    contrastive_loss(scorer, batch()).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in scorer.parameters())


def test_training_learns_matching_pairs(trained):
    _, losses = trained
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:5])


def test_documented_training_settings_are_the_defaults():
    """The figures of the scorer's description are of these numbers: measure again after a change."""
    result = " ".join(scorer_module.__doc__.split())
    recipe = (
        f"{STANDARD.steps} steps of {STANDARD.clips} speakers with {STANDARD.windows} windows each, AdamW, half a "
        f"cosine down from {STANDARD.learning_rate:.0e}, weight decay {STANDARD.weight_decay}"
    )
    assert recipe.replace("e-03", "e-3") in result
