"""The steps of a training as Prefect tasks. Each is thin: the work is done by the plain parts it calls."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from heterodub.schemas.config.baselines import BaselineName
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.model_card import describe_training
from heterodub.tasks.monitoring.lineage_events import model_trained
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.progress import training_callback
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.baselines import baseline_spec, paired
from heterodub.tasks.training.clip_selection import Selection, find_release, select
from heterodub.tasks.training.finetuning import finetuning_clip, start_of
from heterodub.tasks.training.samples import BaselineSamples, GeneratorSamples, TranslatorSamples
from heterodub.tasks.training.stage1 import generator_spec
from heterodub.tasks.training.stage2 import translator_spec
from heterodub.tasks.training.tracked_run import AnySpec, Registered, train_and_register


def _registered_counts(registered: Registered) -> Counts:
    """Return the counts that the run log keeps of a training."""
    summary = registered.summary()
    return Counts(facts={name: summary[name] for name in ("release", "run", "model", "version", "parameters")})


def _clip_counts(spec: AnySpec) -> Counts:
    return Counts(clips=len(spec.clips.train) + len(spec.clips.val))


def _selected(settings: Settings, release: str | None, stage: Stage) -> Selection:
    workspace = Workspace.open(settings.workspace)
    return select(workspace, find_release(workspace, release), stage)


@task(cache_policy=NO_CACHE)
@as_step("choose", _clip_counts)
def stage_training(settings: Settings, release: str | None, stage: str) -> AnySpec:
    """Return the training of a stage's model on a release (default: the newest).

    Raises: NotFoundError - no such release, or it was erased. TrainingError - it cannot be trained on.
    """
    selection = _selected(settings, release, Stage(stage))
    if stage == "stage1":
        samples = GeneratorSamples(settings.stage1.schedule, selection.workspace, selection.release, settings.limits)
        return generator_spec(selection, settings.stage1, samples)
    return translator_spec(selection, settings.stage2, settings.weights, TranslatorSamples(settings.stage2.schedule))


@task(cache_policy=NO_CACHE)
@as_step("choose", _clip_counts)
def baseline_training(settings: Settings, release: str | None, name: BaselineName) -> AnySpec:
    """Return the training of a baseline on those clips of a release that are good for both stages.

    Raises: as stage_training; TrainingError also where no clip is good for both stages.
    """
    selection = _selected(settings, release, Stage.STAGE2)
    samples = BaselineSamples(settings.baselines.schedule)
    return baseline_spec(name, paired(selection), settings.baselines, settings.weights, samples)


@task(cache_policy=NO_CACHE)
@as_step("choose", _clip_counts)
def finetuning_training(settings: Settings, release: str | None, clip: str, model: str | None) -> AnySpec:
    """Return the training that adapts a translator to the speaker of one clip.

    Raises: ModelFileError - the translator cannot be read; NotFoundError - there is no such clip.
    """
    workspace = Workspace.open(settings.workspace)
    selection = finetuning_clip(workspace, find_release(workspace, release), clip, settings.stage2.finetuning.seconds)
    stage2, finetuning = start_of(settings, workspace, model, clip)
    return translator_spec(selection, stage2, settings.weights, TranslatorSamples(stage2.schedule), finetuning)


@task(cache_policy=NO_CACHE)
@as_step("train", _registered_counts)
def fit(spec: AnySpec, settings: Settings, fresh: bool) -> Registered:
    """Train, log the run to MLflow and register the model.

    Not retried: the same flow run again continues from the last checkpoint.

    Raises: TrainingError, TrackingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    registered = train_and_register(spec, settings, training_callback(), fresh)
    describe_training(settings, spec, registered)
    root = Workspace.open(settings.workspace).root
    model_trained(root, registered.trained.card.release, registered.version.name, registered.version.number)
    return registered


@task(cache_policy=NO_CACHE)
def show_training(registered: Registered) -> dict[str, Any]:
    """Summarise the training, and show the summary in the Prefect UI."""
    summary = registered.summary()
    show_table("train-summary", [{"what": k, "value": str(v)} for k, v in summary.items()])
    return summary
