"""Training of a model on a release."""

from typing import Any, Literal

from prefect import flow
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from heterodub.schemas.config.baselines import BaselineName
from heterodub.schemas.config.training import Preset
from heterodub.tasks.preflight.models import check_finetune, check_train
from heterodub.tasks.steps.arguments import unvisited
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.train import baseline_training, finetuning_training, fit, show_training, stage_training


@flow(name="train", flow_run_name=run_name("train", "stage", "preset"))
@recorded("train")
def train(
    stage: Literal["stage1", "stage2"] = "stage1",
    release: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    preset: Preset | None = None,
    steps: PositiveInt | None = None,
    seed: NonNegativeInt | None = None,
    resume: bool = True,
) -> dict[str, Any]:
    """Train a stage on a release, log the run to MLflow and register the model.

    What is not given is as `config` and HETERODUB_* variables say where the flow runs. Returns the training's summary.

    Args:
        stage: stage1 is the landmark generator, stage2 the landmark translator.
        release: Its id; else the newest.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        preset: tiny takes seconds, cpu minutes on two cores, paper wants a GPU.
        steps: Steps at most.
        seed: The same seed takes the same steps.
        resume: Go on from the checkpoint that the same training left; else start over.

    Raises: HeterodubError - the release, the settings, the store or the tracking server; the text says what to do.
    """
    chosen = {"preset": preset, "seed": seed, "schedule": {"max_steps": steps}}
    settings = check_train(stage, release, workspace, config, stage, chosen)
    spec = stage_training(settings, release, stage)
    registered = fit(unvisited(spec), settings, not resume)
    return show_training(registered)


@flow(name="train-baseline", flow_run_name=run_name("train-baseline", "name", "preset"))
@recorded("train-baseline")
def train_baseline(
    name: BaselineName,
    release: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    preset: Preset | None = None,
    steps: PositiveInt | None = None,
    minutes: PositiveFloat | None = None,
    seed: NonNegativeInt | None = None,
    resume: bool = True,
) -> dict[str, Any]:
    """Train one of the systems that the paper compares with, log the run to MLflow and register it under its name.

    It is trained on clips that are good for both stages, and no others.

    Args:
        name: The system.
        release: Its id; else the newest.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        preset: tiny takes seconds, cpu minutes on two cores, paper wants a GPU.
        steps: Steps at most.
        minutes: Time at most, validation included.
        seed: The same seed takes the same steps.
        resume: Go on from the checkpoint that the same training left; else start over.

    Raises: HeterodubError - as train; also where no clip is good for both stages.
    """
    chosen = {"preset": preset, "seed": seed, "schedule": {"max_steps": steps, "minutes": minutes}}
    settings = check_train("stage2", release, workspace, config, "baselines", chosen)
    spec = baseline_training(settings, release, name)
    registered = fit(unvisited(spec), settings, not resume)
    return show_training(registered)


@flow(name="finetune", flow_run_name=run_name("finetune", "clip"))
@recorded("finetune")
def finetune(
    clip: str,
    model: str | None = None,
    release: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    preset: Preset | None = None,
    seconds: PositiveFloat | None = None,
    steps: PositiveInt | None = None,
    resume: bool = True,
) -> dict[str, Any]:
    """Adapt a landmark translator to the speaker of one stage-2 clip, with its embedder frozen, and register it.

    clip: its id, or how the id begins. model: folder, version number, @alias or run id; the newest version if left out.
    seconds: length of the clip's beginning that is trained on; all of it if left out. The rest as in train.

    Raises: HeterodubError - the clip, the model, the settings or the tracking server; the text says what to do.
    """
    chosen = {"preset": preset, "finetuning": {"steps": steps, "seconds": seconds}}
    settings = check_finetune(clip, model, release, workspace, config, chosen)
    spec = finetuning_training(settings, release, clip, model)
    registered = fit(unvisited(spec), settings, not resume)
    return show_training(registered)
