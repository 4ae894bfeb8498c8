"""Evaluation of models beside their controls, with intervals, on speakers they have not seen."""

from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field, PositiveFloat, PositiveInt

from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.config.training import Preset
from heterodub.schemas.errors import BatchError
from heterodub.tasks.preflight.models import check_ablate_finetuning, check_evaluate
from heterodub.tasks.steps.evaluate import (
    compare_data,
    log_data_gains,
    log_dub_scores,
    log_scores,
    measure_finetuning,
    score_dubs,
    score_folds,
    score_model,
    show_scores,
)
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.states import shown_by_prefect
from heterodub.tasks.stores.workspace import Workspace

Folds = Annotated[int, Field(ge=2)]


@flow(name="evaluate", flow_run_name=run_name("evaluate", "stage", "model"))
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
        split: Clips to score on.
        folds: Train and score a model for each of so many folds of the speakers, instead of scoring one that exists.
        fold: With folds: of these that one alone, from 1.
        speakers: With folds: learn from so many speakers at most, for a learning curve.
        references: Frames of a clip that the model is given.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.
        preset: Size and length of trainings with folds; else the settings'.

    Raises: HeterodubError - the model, the release, the store or the tracking server; the text says what to do.
    """
    settings = check_evaluate(stage, model, release, split, folds, fold, speakers, workspace, config, preset)
    ws = Workspace.open(settings.workspace)
    scores = (
        score_model(ws, settings, stage, model, release, split, references)
        if folds is None
        else score_folds(ws, settings, stage, release, folds, fold, speakers, references)
    )
    show_scores(scores, f"{stage}-scores")
    run: str | None = log_scores(ws, settings, scores, stage)
    return scores.summary() | {"run": run, "rows": [row.row() for row in scores.rows]}


@flow(name="evaluate-dub", flow_run_name=run_name("evaluate-dub", "manifest"))
@shown_by_prefect
@recorded("evaluate-dub")
def evaluate_dub(
    manifest: str,
    generator: str | None = None,
    translator: str | None = None,
    release: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Score the outputs of a manifest's jobs (columns as of `dub`) as they are, and their videos with their own speech.

    No output is written to: what has to be rendered goes into a scratch folder.

    Raises: HeterodubError - the manifest, the models or the release; the text says what to do. BatchError - nothing
    could be scored.
    """
    settings = load_settings(config, workspace=workspace)
    ws = Workspace.open(settings.workspace)
    scores = score_dubs(ws, settings, manifest, generator, translator, release)
    run: str | None = log_dub_scores(ws, settings, scores)
    summary: dict[str, Any] = scores.summary() | {"run": run}
    if summary["state"] == "failed":
        raise BatchError("no dubbing could be scored", summary)
    return summary


@flow(name="ablate-finetuning", flow_run_name=run_name("ablate-finetuning", "model"))
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
    """Measure the gain of fine-tuning on the first seconds of one clip of each speaker, scored on the rest of it.

    Raises: HeterodubError - as evaluate.
    """
    chosen = {"preset": preset, "finetuning": {"steps": steps, "seconds": seconds}}
    settings = check_ablate_finetuning(model, release, split, workspace, config, chosen)
    ws = Workspace.open(settings.workspace)
    scores = measure_finetuning(ws, settings, model, release, split)
    gains = {improvement.score: improvement.interval for improvement in scores.report.improvements}
    run: str | None = log_scores(ws, settings, scores, "stage2 finetuning", gains)
    return scores.summary() | {"run": run}


@flow(name="ablate-data", flow_run_name=run_name("ablate-data", "stage"))
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
    """Compare half of the speakers with the same half and more footage that is good for one stage alone, as the paper.

    Returns the scores of both, and what was added.

    Raises: HeterodubError - as evaluate.
    """
    settings = check_evaluate(stage, None, release, "test", folds, None, None, workspace, config, preset)
    ws = Workspace.open(settings.workspace)
    ablation = compare_data(ws, settings, stage, release, folds, references)
    show_scores(ablation.half, "ablation-half")
    show_scores(ablation.more, "ablation-half-and-more")
    log_scores(ws, settings, ablation.half, f"{stage} half")
    log_scores(ws, settings, ablation.more, f"{stage} half and more")
    run: str | None = log_data_gains(ws, settings, ablation, stage)
    return ablation.summary() | {"stage": stage, "run": run}
