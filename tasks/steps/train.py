"""The steps of a training as Prefect tasks. Each is thin: the work is done by the plain parts it calls."""

from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from schemas.config.baselines import BaselineName
from schemas.config.settings import Settings
from schemas.reasons import Stage
from tasks.monitoring.run_log import Counts, as_step
from tasks.steps.progress import training_callback
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import Selection, find_release, select
from tasks.training.finetuning import finetuning_clip, start_of
from tasks.training.tracked_run import (
    Registered,
    train_and_register,
    train_and_register_baseline,
    train_and_register_translator,
)


def _counted(registered: Registered) -> Counts:
    """Return the counts that the run log keeps of a training."""
    summary = registered.summary()
    return Counts(facts={name: summary[name] for name in ("release", "run", "model", "version", "parameters")})


@task(cache_policy=NO_CACHE)
@as_step("choose", lambda chosen: Counts(clips=len(chosen.train) + len(chosen.val)))
def choose_clips(settings: Settings, release: str | None, stage: str = "stage1") -> Selection:
    """Select the clips of a release (default: the newest) for training and validation of a stage.

    Raises: NotFoundError - no such release, or it was erased. TrainingError - it cannot be trained on.
    """
    workspace = Workspace.open(settings.workspace)
    return select(workspace, find_release(workspace, release), Stage(stage))


@task(cache_policy=NO_CACHE)
@as_step("train", _counted)
def fit_stage1(selection: Selection, settings: Settings, fresh: bool) -> Registered:
    """Train the landmark generator, log it to MLflow and register it.

    Not retried: the same flow run again continues from the last checkpoint.

    Raises: TrainingError, TrackingError, NotFoundError, WorkspaceError - the text says what to do.
    """
    return train_and_register(Workspace.open(settings.workspace), selection, settings, training_callback(), fresh)


@task(cache_policy=NO_CACHE)
@as_step("train", _counted)
def fit_stage2(selection: Selection, settings: Settings, fresh: bool) -> Registered:
    """Train the landmark translator, log it to MLflow and register it. Not retried, as fit_stage1.

    Raises: TrainingError, TrackingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    return train_and_register_translator(workspace, selection, settings, training_callback(), fresh)


@task(cache_policy=NO_CACHE)
@as_step("train", _counted)
def fit_baseline(name: BaselineName, selection: Selection, settings: Settings, fresh: bool) -> Registered:
    """Train a baseline on the selection's clips that are good for both stages, log it and register it. Not retried.

    Raises: as fit_stage2; TrainingError also where no clip is good for both stages.
    """
    workspace = Workspace.open(settings.workspace)
    return train_and_register_baseline(name, workspace, selection, settings, training_callback(), fresh)


@task(cache_policy=NO_CACHE)
@as_step("train", _counted)
def finetune_stage2(settings: Settings, clip: str, model: str | None, release: str | None, fresh: bool) -> Registered:
    """Adapt a translator to the speaker of one clip, log it to MLflow and register it.

    Raises: as fit_stage2; ModelFileError - the translator cannot be read; NotFoundError - there is no such clip.
    """
    workspace = Workspace.open(settings.workspace)
    selection = finetuning_clip(workspace, find_release(workspace, release), clip, settings.stage2.finetuning.seconds)
    tuned, finetuning = start_of(settings, workspace, model, clip)
    return train_and_register_translator(workspace, selection, tuned, training_callback(), fresh, finetuning)


@task(cache_policy=NO_CACHE)
def show_training(registered: Registered) -> dict[str, Any]:
    """Summarise the training, and show the summary in the Prefect UI."""
    summary = registered.summary()
    create_table_artifact(key="train-summary", table=[{"what": k, "value": str(v)} for k, v in summary.items()])
    return summary
