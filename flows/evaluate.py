"""From a model to scores that can be trusted: beside its controls, with intervals, on speakers it has not seen."""

from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field, PositiveFloat, PositiveInt

from schemas.config.settings import Settings, load_settings
from schemas.config.training import Preset
from schemas.errors import BatchError
from tasks.evaluation.generator_scores import Evaluation
from tasks.evaluation.translator_scores import PictureEvaluation
from tasks.monitoring.run_log import recorded
from tasks.preflight.models import check_ablate_data, check_ablate_finetuning, check_evaluate
from tasks.steps.evaluate import (
    compare_data,
    judge_dubs,
    judge_finetuning,
    judge_folds,
    judge_model,
    judge_translator,
    judge_translator_folds,
    log_data_gains,
    log_dub_scores,
    log_finetuning,
    log_scores,
    show_scores,
)
from tasks.steps.states import shown_by_prefect

Folds = Annotated[int, Field(ge=2)]


@flow(name="evaluate")
@recorded("evaluate")
def evaluate(
    stage: Literal["stage1", "stage2"] = "stage1",
    model: str | None = None,
    release: str | None = None,
    split: Literal["val", "test"] = "test",
    folds: Folds | None = None,
    fold: PositiveInt | None = None,
    speakers: PositiveInt | None = None,
    references: PositiveInt = 8,
    workspace: str | None = None,
    config: str | None = None,
    preset: Preset | None = None,
) -> dict[str, Any]:
    """Score a model on a split of a release, or, with `folds`, train and score one for each fold of the speakers.

    Returns the scores and a row for each clip and system.

    Args:
        stage: stage1 is the landmark generator, stage2 the landmark translator.
        model: Folder, version number, @alias or run id; else the newest version.
        release: Its id; else the newest.
        split: Clips to judge on.
        folds: Train and score a model for each of so many folds of the speakers, instead of scoring one that exists.
        fold: With folds: of these that one alone, from 1. Stage 2 only.
        speakers: With folds: learn from so many speakers at most, for a learning curve. Stage 1 only.
        references: Frames of a clip that the model is told.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        preset: Size and length of trainings with folds; else the settings'.

    Raises: HeterodubError - the model, the release, the store or the tracking server; the text says what to do.
    """
    settings = check_evaluate(stage, model, release, split, folds, fold, speakers, workspace, config, preset)
    found = (
        _speech_scores(settings, model, release, split, folds, speakers, references)
        if stage == "stage1"
        else _picture_scores(settings, model, release, split, folds, fold, references)
    )
    show_scores(found, f"{stage}-scores")
    run: str | None = log_scores(settings, found, stage)
    return found.summary() | {"run": run, "rows": found.clips()}


def _speech_scores(
    settings: Settings,
    model: str | None,
    release: str | None,
    split: Literal["val", "test"],
    folds: int | None,
    speakers: int | None,
    references: int,
) -> Evaluation:
    if folds is None:
        return judge_model(settings, model, release, split, references)
    return judge_folds(settings, release, folds, references, speakers)


def _picture_scores(
    settings: Settings,
    model: str | None,
    release: str | None,
    split: Literal["val", "test"],
    folds: int | None,
    fold: int | None,
    references: int,
) -> PictureEvaluation:
    if folds is None:
        return judge_translator(settings, model, release, split, references)
    return judge_translator_folds(settings, release, folds, fold, references)


@flow(name="evaluate-dub")
@shown_by_prefect
@recorded("evaluate-dub")
def evaluate_dub(
    manifest: str,
    generator: str = "@champion",
    translator: str = "@champion",
    release: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Score the outputs of a manifest's jobs (columns as of `dub`) as they are, and their videos with their own speech.

    No output is written to: what has to be rendered goes into a scratch folder.

    Raises: HeterodubError - the manifest, the models or the release; the text says what to do. BatchError - nothing
    could be judged.
    """
    settings = load_settings(config, workspace=workspace)
    scores = judge_dubs(settings, manifest, generator, translator, release)
    run: str | None = log_dub_scores(settings, scores)
    told: dict[str, Any] = scores.summary() | {"run": run}
    if told["state"] == "failed":
        raise BatchError("no dubbing could be judged", told)
    return told


@flow(name="ablate-finetuning")
@recorded("ablate-finetuning")
def ablate_finetuning(
    model: str | None = None,
    release: str | None = None,
    split: Literal["val", "test"] = "test",
    seconds: PositiveFloat | None = None,
    steps: PositiveInt | None = None,
    workspace: str | None = None,
    config: str | None = None,
    preset: Preset | None = None,
) -> dict[str, Any]:
    """What fine-tuning is worth: on the first seconds of one clip of each speaker, judged on the rest of that clip.

    Raises: HeterodubError - as evaluate.
    """
    chosen = {"preset": preset, "finetuning": {"steps": steps, "seconds": seconds}}
    settings = check_ablate_finetuning(model, release, split, workspace, config, chosen)
    found = judge_finetuning(settings, model, release, split)
    run: str | None = log_finetuning(settings, found, split)
    return found.summary() | {"run": run}


@flow(name="ablate-data")
@recorded("ablate-data")
def ablate_data(
    release: str | None = None,
    folds: Folds = 3,
    references: PositiveInt = 8,
    workspace: str | None = None,
    config: str | None = None,
    preset: Preset | None = None,
    stage: Literal["stage1", "stage2"] = "stage1",
) -> dict[str, Any]:
    """Repeat the paper's point: half of the speakers, against the same half and more footage good for one stage alone.

    Returns the scores of both, and what was added.

    Raises: HeterodubError - as evaluate.
    """
    settings = check_ablate_data(stage, release, workspace, config, preset)
    found = compare_data(settings, stage, release, folds, references)
    show_scores(found.half, "ablation-half")
    show_scores(found.more, "ablation-half-and-more")
    log_scores(settings, found.half, f"{stage} half")
    log_scores(settings, found.more, f"{stage} half and more")
    run: str | None = log_data_gains(settings, found, stage)
    told: dict[str, Any] = found.summary() | {"stage": stage, "run": run}
    return told
