"""Evaluation of a generator on held-out clips beside trivial controls (stage 1), and training of the sync scorer.

The scorer is trained on the train split of a release, and cached for all evaluations on it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from heterodub.model.evaluation.controls import mean_face
from heterodub.model.evaluation.generator import (
    GENERATOR_REPORT,
    SYSTEMS,
    FittedControls,
    GeneratorEvalClip,
    fit_linear,
    score_generator,
)
from heterodub.model.evaluation.sync_windows import SyncClip, disturb, sample_pairs
from heterodub.model.evaluation.syncnet import SyncScorer, contrastive_loss
from heterodub.model.files import atomic_path
from heterodub.model.io import CPU, load_generator
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Evaluation, require_evaluable
from heterodub.tasks.releases.strata import clip_strata
from heterodub.tasks.training.clip_selection import ClipRef, Selection, few_a_speaker, spread
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.run_dirs import trainings
from heterodub.tasks.training.stage1 import read_eval_clips

MEAN_CLIPS: Final = 500
"""Clips of the train split behind mean face, linear control and sync scorer, spread over its speakers."""


def evaluate_generator(
    settings: Settings,
    selection: Selection,
    test_clips: Sequence[ClipRef],
    model: Path,
    evaluated_on: str,
    references: int,
) -> Evaluation:
    """Score the generator in a folder on clips, beside trivial controls. evaluated_on: name of the clips, in words.

    Raises: as require_evaluable. ModelFileError - the generator cannot be read.
    """
    device = device_of(settings.device)
    generator, card = load_generator(model, device)
    require_evaluable(selection, card.backend, test_clips, Stage.STAGE1, evaluated_on)
    stage1 = Stage1Settings(architecture=card.architecture)
    train_clips = control_clips(selection)
    eval_clips = read_eval_clips(selection, few_a_speaker(test_clips), stage1)
    scorer = sync_scorer(
        trainings(selection.workspace), train_clips, SyncRecipe(steps=settings.stage1.sync_steps), device
    )
    mean = mean_face(eval_clip.landmarks_TPXY[eval_clip.prepared.counts_T] for eval_clip in train_clips)
    fitted = FittedControls(mean, fit_linear(train_clips))
    rows = tuple(score_generator(generator, eval_clips, references, card.gain, fitted, SYSTEMS, scorer))
    strata = clip_strata(selection.workspace, selection.release, {row.clip_id for row in rows})
    release, facts = selection.release.release_id, {"gain": card.gain}
    return Evaluation(
        GENERATOR_REPORT, Stage.STAGE1, release, evaluated_on, references, str(model), rows, facts, strata=strata
    )


def release_scorer(selection: Selection, settings: Settings, train_clips: Sequence[GeneratorEvalClip]) -> SyncScorer:
    """Return the sync scorer of a release's train split, trained on first use. train_clips: those of `control_clips`.

    Raises: TrainingError - no clip of the split both moves and sounds. SettingsError - the device is not there.
    """
    recipe = SyncRecipe(steps=settings.stage1.sync_steps)
    return sync_scorer(trainings(selection.workspace), train_clips, recipe, device_of(settings.device))


def control_clips(selection: Selection) -> list[GeneratorEvalClip]:
    """Read the clips of the train split that controls and sync scorer are fitted to, with the mel alone, whatever the
    generators read. Raises: as read_eval_clips.
    """
    return read_eval_clips(selection, spread(selection.train, MEAN_CLIPS), Stage1Settings())


@dataclass(frozen=True, slots=True)
class SyncRecipe:
    """Training settings of the sync scorer; takes seconds on one core. Accuracy: model/evaluation/syncnet.py."""

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
