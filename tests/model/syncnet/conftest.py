"""One scorer, trained once for some seconds on talkers that are made on the fly."""

import numpy as np
import pytest
import torch

from heterodub.model.evaluation.sync_windows import sample_pairs
from heterodub.model.evaluation.syncnet import SyncScorer, contrastive_loss
from tests.model.syncnet.talkers import clip

STEPS = 120


@pytest.fixture(scope="session")
def trained() -> tuple[SyncScorer, list[float]]:
    """The scorer, and its loss at every step."""
    torch.manual_seed(0)
    scorer = SyncScorer(width=32)
    speakers = [[clip(100, seed)] for seed in range(12)]
    draw = np.random.default_rng(0)
    optimiser = torch.optim.AdamW(scorer.parameters(), lr=2e-3)
    losses = []
    for _ in range(STEPS):
        loss = contrastive_loss(scorer, sample_pairs(speakers, 6, 8, draw))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return scorer.eval(), losses
