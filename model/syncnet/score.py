"""Sync score of one clip: likeness of lips to the speech of their own time, compared with that of other times.

The score depends on this scorer: it compares networks on the same clips, and a network that moves like the mean speaker
may score above the true lips. So report the true lips' score beside it.

Accuracy on held-out speakers (43 clips of 29 speakers in 4 folds, v1 mesh; stage-1 clips, so ones whose sound had been
found to fit): a window of lips is nearer to the speech of its own time than to that of another time of the clip in 72
of 100 cases. Of whole clips 86, 88 and 93 of 100 score higher in time than 3, 5 and 12 frames late; the best offset
lies within 3 frames for 86, by chance for 23. The true lips score 0.82 (0.66 to 0.97). Limits: half the movement scores
the same, as it should, but lips smoothed by a Gaussian of 4 frames still score 0.63. It measures timing, not crispness.

Shape suffix legend: N = lip windows, K = mel windows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from heterodub.model.features.arrays import Array
from heterodub.model.syncnet.scorer import SyncScorer
from heterodub.model.syncnet.windows import WINDOW_FRAMES, SyncClip
from heterodub.schemas.reasons import MissingCause

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
