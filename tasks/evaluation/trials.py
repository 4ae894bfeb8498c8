"""Evaluation, and training with evaluation, of either stage's model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from heterodub.model.training.callbacks import Callback
from heterodub.schemas.config.sections import Section
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.cross_validation import Trial
from heterodub.tasks.evaluation.evaluation import Evaluation
from heterodub.tasks.evaluation.generator_scores import evaluate_generator
from heterodub.tasks.evaluation.translator_scores import evaluate_translator
from heterodub.tasks.training.clip_selection import ClipRef, Selection
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.run_dirs import training_folder
from heterodub.tasks.training.stage1 import generator_spec
from heterodub.tasks.training.stage2 import translator_spec

Evaluate = Callable[[Settings, Selection, Sequence[ClipRef], Path, str, int], Evaluation]

EVALUATE: Final[Mapping[Stage, Evaluate]] = {Stage.STAGE1: evaluate_generator, Stage.STAGE2: evaluate_translator}
"""Evaluations of a model in a folder, by stage."""


def train_model(selection: Selection, section: Section, settings: Settings, folder: Path, callback: Callback) -> Path:
    """Train a stage's model, or resume its training, and return its folder. section: the settings of the stage.

    Raises: as run_training.
    """
    if isinstance(section, Stage1Settings):
        return run_training(generator_spec(selection, section), folder, callback, device=settings.device).model
    assert isinstance(section, Stage2Settings)
    spec = translator_spec(selection, section, settings.weights)
    return run_training(spec, folder, callback, device=settings.device).model


def trial_of(stage: Stage, settings: Settings, references: int, callback: Callback) -> Trial:
    """Return the trial of a stage; finished trainings with the same clips and settings are reused.

    It raises: as train_model and the stage's evaluation.
    """
    section = settings.stage1 if stage is Stage.STAGE1 else settings.stage2

    def trial(selection: Selection, test_clips: Sequence[ClipRef], name: str) -> Evaluation:
        folder = training_folder(selection, section, stage.value)
        model = train_model(selection, section, settings, folder, callback)
        return EVALUATE[stage](settings, selection, test_clips, model, name, references)

    return trial
