"""Training of the sync scorer on the train split of a release; the result is cached for all evaluations on it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from model.evaluation.generator import GeneratorEvalClip
from model.files import atomic_path
from model.io import CPU
from model.syncnet.disturb import disturb
from model.syncnet.scorer import SyncScorer, contrastive_loss
from model.syncnet.windows import SyncClip, sample_pairs
from schemas.errors import TrainingError


@dataclass(frozen=True, slots=True)
class SyncRecipe:
    """Training settings of the sync scorer; takes seconds on one core. For its accuracy see model/syncnet/score.py."""

    steps: int = 600
    clips: int = 16
    windows: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0


STANDARD: Final = SyncRecipe()


def sync_scorer(
    folder: Path, eval_clips: Sequence[GeneratorEvalClip], recipe: SyncRecipe = STANDARD, device: torch.device = CPU
) -> SyncScorer:
    """Train a scorer on these clips, which it must not score, or load it from `folder`, where it is cached by them.

    Raises: TrainingError - no clip both moves and sounds.
    """
    identity = json.dumps([sorted(eval_clip.clip_id for eval_clip in eval_clips), asdict(recipe)])
    path = folder / f"sync-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.safetensors"
    torch.manual_seed(recipe.seed)
    scorer = SyncScorer().to(device)
    if path.exists():
        scorer.load_state_dict(load_file(path))
        return scorer.eval()
    speakers: dict[str, list[SyncClip]] = {}
    for eval_clip in eval_clips:
        clip = SyncClip.of(eval_clip.landmarks_TPXY, eval_clip.prepared.counts_T, eval_clip.mel_SM)
        speakers.setdefault(eval_clip.speaker, []).append(clip)
    _train(scorer, list(speakers.values()), recipe)
    with atomic_path(path) as partial:
        save_file(scorer.state_dict(), partial)
    return scorer.eval()


def _train(scorer: SyncScorer, speakers: Sequence[Sequence[SyncClip]], recipe: SyncRecipe) -> None:
    draw = np.random.default_rng(recipe.seed)
    optimiser = torch.optim.AdamW(scorer.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    scorer.train()
    for _ in range(recipe.steps):
        try:
            pairs = sample_pairs(speakers, recipe.clips, recipe.windows, draw)
        except ValueError as error:
            raise TrainingError(f"sync cannot be learned from the train split: {error}") from error
        optimiser.zero_grad(set_to_none=True)
        contrastive_loss(scorer, disturb(pairs, draw).to(scorer.device)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        falling.step()
