"""Evaluation of a generator on held-out clips beside trivial controls (stage 1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model.evaluation.generator import GENERATOR_REPORT, SYSTEMS, score_generator
from model.metrics.controls import mean_face
from model.stage1.files import load_generator
from model.syncnet.scorer import SyncScorer
from schemas.config.settings import Settings
from schemas.config.training import Stage1Settings
from schemas.reasons import Stage
from tasks.evaluation.evaluation import Evaluation, require_evaluable
from tasks.evaluation.syncnet import SyncRecipe, sync_scorer
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import ClipRef, Selection, few_a_speaker, spread
from tasks.training.device import device_of
from tasks.training.run_dirs import trainings
from tasks.training.stage1 import read_eval_clips

MEAN_CLIPS: Final = 500
"""Clips of the train split behind the mean face and the sync scorer, spread over its speakers."""


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
    known = read_eval_clips(selection, spread(selection.train, MEAN_CLIPS), stage1)
    eval_clips = read_eval_clips(selection, few_a_speaker(test_clips), stage1)
    folder = trainings(Workspace.open(settings.workspace))
    scorer = sync_scorer(folder, known, SyncRecipe(steps=settings.stage1.sync_steps), device)
    mean = mean_face(eval_clip.landmarks_TPXY[eval_clip.prepared.counts_T] for eval_clip in known)
    rows = tuple(score_generator(generator, eval_clips, references, card.gain, mean, SYSTEMS, scorer))
    release, facts = selection.release.release_id, {"gain": card.gain}
    return Evaluation(GENERATOR_REPORT, Stage.STAGE1, release, evaluated_on, references, str(model), rows, facts)


def release_scorer(workspace: Workspace, selection: Selection, settings: Settings) -> SyncScorer:
    """Return the sync scorer of a release's train split, trained on first use.

    Raises: TrainingError - no clip of the split both moves and sounds. SettingsError - the device is not there.
    """
    known = read_eval_clips(selection, spread(selection.train, MEAN_CLIPS), settings.stage1)
    recipe = SyncRecipe(steps=settings.stage1.sync_steps)
    return sync_scorer(trainings(workspace), known, recipe, device_of(settings.device))
