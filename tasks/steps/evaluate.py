"""The steps of an evaluation as Prefect tasks. Each is thin: the work is done by the plain parts it calls."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from heterodub.model.evaluation.intervals import Interval
from heterodub.schemas.cards import MODEL_OF, TRANSLATOR
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.dubbing.jobs import read_jobs
from heterodub.tasks.evaluation import cross_validation
from heterodub.tasks.evaluation.cross_validation import EVALUATE, DataAblation, cross_validate, trial_of
from heterodub.tasks.evaluation.dub_jobs import evaluate_jobs
from heterodub.tasks.evaluation.dubbing import DubScores
from heterodub.tasks.evaluation.evaluation import (
    Evaluation,
    Split,
    gains_of,
    log_evaluation,
    metrics_of,
    stratum_metrics,
)
from heterodub.tasks.evaluation.finetuning import compare_finetuning
from heterodub.tasks.evaluation.generator_scores import control_clips, release_scorer
from heterodub.tasks.evaluation.model_card import describe_scores, with_scores
from heterodub.tasks.evaluation.scored_clips import BENCHMARK, scored_clips, scored_data
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.progress import step_progress, training_callback
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.registry import find_model
from heterodub.tasks.training.clip_selection import candidates, find_release, select

_PERCENT: Final = ("nme", "nme_lips", "nme_outline")
"""Scores that are shown in percent: landmark errors, of the face's diagonal."""


def _counted(evaluation: Evaluation) -> Counts:
    """Return the counts that the run log keeps of an evaluation."""
    facts = {"release": evaluation.release, "evaluated_on": evaluation.evaluated_on}
    return Counts(clips=len({row.clip_id for row in evaluation.rows}), facts=facts)


@task(cache_policy=NO_CACHE)
@as_step("evaluate", _counted)
def score_model(
    workspace: Workspace,
    settings: Settings,
    stage: str,
    model: str | None,
    release: str | None,
    split: Split,
    references: int,
) -> Evaluation:
    """Score a stage's model on a split of a release (default: the newest); for the test split, on the frozen benchmark.

    model: a folder, or what tasks/tracking/models.py finds by "version", "@alias" or run id; None: the newest version.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError, PromotionError - the text says what to do.
    """
    chosen, chosen_stage = find_release(workspace, release), Stage(stage)
    selection = select(workspace, chosen, chosen_stage)
    clips, name = scored_clips(workspace, chosen, chosen_stage, split)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        located = find_model(settings, workspace, MODEL_OF[chosen_stage], model, Path(scratch))
        scores = EVALUATE[chosen_stage](settings, selection, clips, located.folder, name, references)
        return replace(scores, model=located.name, tags=located.tags)


@task(cache_policy=NO_CACHE)
@as_step("evaluate", _counted)
def score_folds(
    workspace: Workspace,
    settings: Settings,
    stage: str,
    release: str | None,
    folds: int,
    fold: int | None,
    speakers: int | None,
    references: int,
) -> Evaluation:
    """Score a stage's models trained on all but one fold of the speakers, or on `speakers` of them, each on that fold.

    fold: the only one to train and score.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    selection = select(workspace, find_release(workspace, release), Stage(stage))
    trial = trial_of(Stage(stage), settings, references, training_callback())
    return cross_validate(selection, folds, trial, speakers, fold)


@task(cache_policy=NO_CACHE)
@as_step("evaluate")
def measure_finetuning(
    workspace: Workspace, settings: Settings, model: str | None, release: str | None, split: Split
) -> Evaluation:
    """Measure the gain of fine-tuning on one clip of each speaker of a split. model: as in score_model.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError - the text says what to do.
    """
    chosen = find_release(workspace, release)
    selection = select(workspace, chosen, Stage.STAGE2)
    clips = [clip for clip in candidates(workspace, chosen, Stage.STAGE2) if clip.split == split]
    name, callback = f"the {split} split", training_callback()
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        located = find_model(settings, workspace, TRANSLATOR, model, Path(scratch))
        scores = compare_finetuning(settings, selection, clips, located.folder, name, callback)
        return replace(scores, model=located.name, tags=located.tags)


@task(cache_policy=NO_CACHE)
@as_step("evaluate")
def compare_data(
    workspace: Workspace, settings: Settings, stage: str, release: str | None, folds: int, references: int
) -> DataAblation:
    """Compare half of the speakers with the same half and the other half's clips that are good for this stage alone.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    selection = select(workspace, find_release(workspace, release), Stage(stage))
    trial = trial_of(Stage(stage), settings, references, training_callback())
    return cross_validation.ablate_data(selection, folds, trial)


@task(cache_policy=NO_CACHE)
@as_step("evaluate", lambda evaluation: Counts(errors=len(evaluation.failed)))
def score_dubs(
    workspace: Workspace,
    settings: Settings,
    manifest: str,
    generator: str | None,
    translator: str | None,
    release: str | None,
) -> DubScores:
    """Score finished dubbings: a manifest's videos with their own speech, and with the one that each job names.

    The sync scorer is trained on the train split of the release (default: the newest).

    Raises: SourceError, ModelFileError, TrackingError, NotFoundError, TrainingError - the text says what to do.
    """
    selection = select(workspace, find_release(workspace, release), Stage.STAGE1)
    scorer = release_scorer(selection, settings, control_clips(selection))
    return evaluate_jobs(read_jobs(Path(manifest)), generator, translator, settings, scorer, step_progress())


@task(cache_policy=NO_CACHE)
def show_scores(evaluation: Evaluation, key: str) -> None:
    """Show a row of scores with intervals for each system in the Prefect UI."""
    rows: dict[str, dict[str, str]] = {}
    for mean in evaluation.report.means:
        scale, unit = (100, " %") if mean.score in _PERCENT else (1, "")
        text = mean.interval.format(".2f", scale, unit)
        rows.setdefault(mean.system, {"system": mean.system})[mean.score] = text
    show_table(key, list(rows.values()), description=evaluation.evaluated_on)


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_scores(
    workspace: Workspace,
    settings: Settings,
    evaluation: Evaluation,
    what: str,
    gains: Mapping[str, Interval] | None = None,
) -> str | None:
    """Log scores to a new MLflow run and return its id. what: the subject, such as "stage1". gains: as "gain/score"."""
    tags = {
        "stage": what,
        "release": evaluation.release,
        "evaluated_on": evaluation.evaluated_on,
        "model": evaluation.model,
        **evaluation.tags,
    }
    if evaluation.evaluated_on.startswith(BENCHMARK):
        tags["benchmark"] = evaluation.evaluated_on.removeprefix(BENCHMARK)
    name = f"evaluate {what} {evaluation.model} on {evaluation.evaluated_on}"
    metrics = metrics_of(evaluation.report.means) | stratum_metrics(evaluation.by_stratum) | gains_of(gains or {})
    described = with_scores("", evaluation.evaluated_on, evaluation)
    data = scored_data(workspace, evaluation)
    run = log_evaluation(
        workspace, settings, name, tags, metrics, evaluation.summary(), evaluation.rows, described, data
    )
    if run is not None and what in tuple(Stage) and "evaluated_model" in evaluation.tags:
        describe_scores(workspace, settings, evaluation)
    return run


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_data_gains(workspace: Workspace, settings: Settings, ablation: DataAblation, stage: str) -> str | None:
    """Log the gains of more footage for one stage to a new MLflow run and return its id."""
    half, more = ablation.half, ablation.more
    tags = {"stage": f"{stage} data", "release": half.release, "evaluated_on": more.evaluated_on}
    return log_evaluation(
        workspace, settings, f"ablate data of {stage}", tags, gains_of(ablation.gains), ablation.summary()
    )


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_dub_scores(workspace: Workspace, settings: Settings, scores: DubScores) -> str | None:
    """Log scores of dubbings to a new MLflow run and return its id. Videos are not named."""
    tags = {"stage": "dub", "generator": scores.generator, "translator": scores.translator}
    summary = {name: value for name, value in scores.summary().items() if name not in ("rows", "failed", "notes")}
    return log_evaluation(workspace, settings, "evaluate dub", tags, metrics_of(scores.report.means), summary)
