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

The score depends on this scorer: it compares networks on the same clips, and a network that moves like the mean speaker
may score above the true lips. So report the true lips' score beside it.

Accuracy on held-out speakers (43 clips of 29 speakers in 4 folds, v1 mesh; stage-1 clips, so ones whose sound had been
found to fit): a window of lips is nearer to the speech of its own time than to that of another time of the clip in 72
of 100 cases. Of whole clips 86, 88 and 93 of 100 score higher in time than 3, 5 and 12 frames late; the best offset
lies within 3 frames for 86, by chance for 23. The true lips score 0.82 (0.66 to 0.97). Limits: half the movement scores
the same, as it should, but lips smoothed by a Gaussian of 4 frames still score 0.63. It measures timing, not crispness.

Shape suffix legend: N = windows, C = 20 mel columns, M = mel bands, F = 5 frames, L = 60 lip points, XY = 2
coordinates, E = embedding.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from heterodub.model.evaluation.sync_windows import LIP_POINTS, WINDOW_FRAMES, SyncClip, WindowPairs
from heterodub.model.features.arrays import Array
from heterodub.model.features.timing import mel_columns
from heterodub.schemas.contract import MEL_BANDS
from heterodub.schemas.reasons import MissingCause

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


SEARCHED_FRAMES: Final = 15
"""Offsets that are tried either way: 0.6 s, as far as SyncNet looks."""

FALSE_FROM_FRAMES: Final = 10
"""Other times are those at least this far off: nearer ones may be a recording's own offset, or the same sound."""

LEAST_WINDOWS: Final = 15
"""Pairs of windows that every offset needs."""

LEAST_FRAMES: Final = LEAST_WINDOWS + SEARCHED_FRAMES + WINDOW_FRAMES - 1
"""Shorter clips (1.4 s) have no score: 34 frames."""


@dataclass(frozen=True, slots=True)
class SyncScore:
    """Synchrony of speech and lips.

    score: mean likeness at their own time less that at other times, over the standard deviation at other times. It
    does not grow with the length of the clip. 0: no synchrony.
    own, other: those mean likenesses, -1 to 1.
    offset_frames: the offset of greatest mean likeness within 15 frames; above 0 the sound is late.
    """

    score: float
    own: float
    other: float
    offset_frames: int


def score_sync(scorer: SyncScorer, clip: SyncClip) -> SyncScore | MissingCause:
    """Score one clip, or return the cause: lips do not move, no sound, or too few consecutive tracked frames."""
    if not clip.sounds:
        return MissingCause.SILENT
    if clip.frames < LEAST_FRAMES or len(clip.starts_N) < LEAST_WINDOWS:
        return MissingCause.TOO_SHORT
    if not clip.moves:
        return MissingCause.MOUTH_STILL
    likeness_NK = _likeness(scorer, clip)
    lag_NK = np.arange(likeness_NK.shape[1]) - clip.starts_N[:, None]
    lags = np.arange(-SEARCHED_FRAMES, SEARCHED_FRAMES + 1)
    fits = [likeness_NK[lag_NK == lag] for lag in lags]
    if min(len(fit) for fit in fits) < LEAST_WINDOWS:
        return MissingCause.TOO_SHORT
    in_sync, off_sync = likeness_NK[lag_NK == 0], likeness_NK[np.abs(lag_NK) >= FALSE_FROM_FRAMES]
    best = int(np.argmax([fit.mean() for fit in fits]))
    score = (in_sync.mean() - off_sync.mean()) / max(float(off_sync.std()), 1e-6)
    return SyncScore(float(score), float(in_sync.mean()), float(off_sync.mean()), int(lags[best]))


def _likeness(scorer: SyncScorer, clip: SyncClip) -> Array:
    """Return the similarity (N, K) of each tracked lip window with each mel window; keeps the scorer's mode."""
    device, was_training = scorer.device, scorer.training
    starts = np.arange(clip.frames - WINDOW_FRAMES + 1)
    scorer.eval()
    try:
        with torch.inference_mode():
            mel_KE = scorer.embed_mel(torch.from_numpy(clip.mel_at(starts)).to(device))
            lips_NE = scorer.embed_lips(torch.from_numpy(clip.lips_at(clip.starts_N)).to(device))
            return np.asarray((lips_NE @ mel_KE.T).cpu().double().numpy())
    finally:
        scorer.train(was_training)
