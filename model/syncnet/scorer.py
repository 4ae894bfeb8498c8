"""The sync scorer: two small networks that embed windows of speech and of lips, near each other if they are in sync.

The design is that of SyncNet (Chung and Zisserman, Out of time, 2016), on landmarks in place of pictures and with the
contrastive loss InfoNCE (van den Oord et al., https://arxiv.org/abs/1807.03748). Negatives are other moments of the
batch, and once more those of the same clip alone: there speaker, face and room are the same, and only time is left.

Trained as tasks/evaluation/generator_scores.py does it (600 steps of 16 speakers with 8 windows each, AdamW, half a
cosine down from 1e-3, weight decay 0.05; 8 s on one core) on some twenty speakers, a window's own time beat another
time in 72 of 100 cases (mean of 29 held-out speakers of four folds, two seeds). 8 speakers with 16 windows each and one
cycle up to 3e-3 came to as much: 0.3 of 100 more (0.3 fewer to 0.9 more). By that other recipe, and on other clips, it
was 73; without `disturb` 68, with neither that nor dropout 63; by the half of the loss within clips alone 74, by the
other half alone 73: no difference, for seeds differ by as much.

Shape suffix legend: N = windows, C = 20 mel columns, M = mel bands, F = 5 frames, L = 60 lip points, XY = 2
coordinates, E = embedding.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.features.timing import mel_columns
from heterodub.model.syncnet.windows import LIP_POINTS, WINDOW_FRAMES, WindowPairs
from heterodub.schemas.contract import MEL_BANDS

EMBEDDING: Final = 64

DROPOUT: Final = 0.5
"""Dropout probability: a few dozen speakers are soon memorised."""

_TOO_NEAR_FRAMES: Final = WINDOW_FRAMES
"""Windows of one clip that overlap are neither positives nor negatives."""

_SHARPEST: Final = 4.0
"""Largest logarithm of the similarities' scale: without a bound, a few confident pairs would dominate."""


class SyncScorer(nn.Module):
    """Embeds mel windows and lip windows on one unit sphere; their dot product is the similarity, -1 to 1."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.hears = nn.Sequential(
            nn.Conv1d(MEL_BANDS, width, 3, padding=1),
            _Normed(width),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            _Normed(width),
            nn.Flatten(),
            nn.Dropout(DROPOUT),
            nn.Linear(width * mel_columns(WINDOW_FRAMES) // 2, EMBEDDING),
        )
        self.sees = nn.Sequential(
            nn.Linear(WINDOW_FRAMES * LIP_POINTS * 2, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(width, EMBEDDING),
        )
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    @property
    def device(self) -> torch.device:
        """Device of the networks, on which windows have to be."""
        return self.log_scale.device

    def embed_mel(self, mel_NCM: Tensor) -> Tensor:
        """Embed mel windows (N, 20, 80) as unit vectors (N, 64)."""
        embedded_NE: Tensor = functional.normalize(self.hears(mel_NCM.transpose(1, 2)), dim=-1)
        return embedded_NE

    def embed_lips(self, lips_NFLXY: Tensor) -> Tensor:
        """Embed lip windows (N, 5, 60, 2) as unit vectors (N, 64)."""
        embedded_NE: Tensor = functional.normalize(self.sees(lips_NFLXY.flatten(1)), dim=-1)
        return embedded_NE


class _Normed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)

    def forward(self, x_NWC: Tensor) -> Tensor:
        return functional.gelu(self.norm(x_NWC))


def contrastive_loss(scorer: SyncScorer, pairs: WindowPairs) -> Tensor:
    """Return the symmetric InfoNCE loss of a batch between mel windows and lip windows, a scalar.

    Half of it among all windows of the batch, half among those of the same clip only.
    """
    scale = scorer.log_scale.clamp(max=_SHARPEST).exp()
    likeness_NN = scale * scorer.embed_mel(pairs.mel_NCM) @ scorer.embed_lips(pairs.lips_NFLXY).T
    same_NN = pairs.clip_N[:, None] == pairs.clip_N[None, :]
    near_NN = same_NN & ((pairs.start_N[:, None] - pairs.start_N[None, :]).abs() < _TOO_NEAR_FRAMES)
    off_NN = near_NN & ~torch.eye(len(near_NN), dtype=torch.bool, device=near_NN.device)
    everywhere_NN = likeness_NN.masked_fill(off_NN, -torch.inf)
    within_NN = everywhere_NN.masked_fill(~same_NN, -torch.inf)
    return (_find_each_other(everywhere_NN) + _find_each_other(within_NN)) / 2


def _find_each_other(likeness_NN: Tensor) -> Tensor:
    """Return the cross-entropy of the diagonal, along rows plus along columns."""
    own_N = torch.arange(len(likeness_NN), device=likeness_NN.device)
    return (functional.cross_entropy(likeness_NN, own_N) + functional.cross_entropy(likeness_NN.T, own_N)) / 2
