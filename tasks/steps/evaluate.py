"""The steps of an evaluation as Prefect tasks. Each is thin: the work is done by the plain parts it calls."""

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from model.metrics.speakers import Mean
from schemas.cards import GENERATOR, TRANSLATOR
from schemas.config.settings import Settings
from schemas.reasons import Stage
from tasks.dubbing.batch import judge_jobs, read_jobs
from tasks.dubbing.progress import dub_watcher
from tasks.evaluation import generator_scores
from tasks.evaluation.ablation import DataAblation
from tasks.evaluation.dubbing import DubScores
from tasks.evaluation.finetuning import FinetuningGain, compare_finetuning
from tasks.evaluation.generator_scores import Evaluation, Split
from tasks.evaluation.run_log import LoggedEvaluation, gains_of, log_evaluation, metrics_of
from tasks.evaluation.syncnet import SyncRecipe
from tasks.evaluation.translator_scores import (
    PictureEvaluation,
    compare_picture_data,
    cross_validate_translator,
    evaluate_translator,
)
from tasks.monitoring.run_log import Counts, as_step
from tasks.releases import benchmarks
from tasks.releases.releases import Release
from tasks.steps.tables import score_rows
from tasks.stores.workspace import Workspace
from tasks.tracking.registry import find_model
from tasks.training.clip_selection import ClipRef, candidates, find_release, select
from tasks.training.progress import training_callback

_BENCHMARK: Final = "benchmark "


def _counted(evaluation: Evaluation | PictureEvaluation) -> Counts:
    """Return the counts that the run log keeps of an evaluation."""
    facts = {"release": evaluation.release, "judged_on": evaluation.judged_on}
    return Counts(clips=len({row.clip_id for row in evaluation.rows}), facts=facts)


@task(cache_policy=NO_CACHE)
@as_step("evaluate", _counted)
def score_generator(
    settings: Settings, model: str | None, release: str | None, split: Split, references: int
) -> Evaluation:
    """Score a generator on a split of a release (default: the newest); for the test split, on the frozen benchmark.

    model: a folder, or what tasks/tracking/models.py finds by "version", "@alias" or run id; None: the newest version.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError, PromotionError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    chosen = find_release(workspace, release)
    selection = select(workspace, chosen, Stage.STAGE1)
    clips, name = _clips_of(workspace, chosen, Stage.STAGE1, split)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        located = find_model(settings, workspace, GENERATOR, model, Path(scratch))
        sync = SyncRecipe(steps=settings.stage1.sync_steps)
        scores = generator_scores.evaluate_generator(
            workspace, selection, clips, located.folder, name, references, sync, settings.device
        )
        return replace(scores, card_of=located.name, tags=located.tags)


@task(cache_policy=NO_CACHE)
@as_step("evaluate", _counted)
def score_generator_folds(
    settings: Settings, release: str | None, folds: int, references: int, speakers: int | None
) -> Evaluation:
    """Score generators trained on all but one fold of the speakers, or on `speakers` of them, each on that fold.

    Raises: TrainingError, NotFoundError, WorkspaceError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, release), Stage.STAGE1)
    return generator_scores.cross_validate(
        workspace, selection, settings.stage1, folds, references, training_callback(), speakers, settings.device
    )


@task(cache_policy=NO_CACHE)
@as_step("evaluate", _counted)
def score_translator(
    settings: Settings, model: str | None, release: str | None, split: Split, references: int
) -> PictureEvaluation:
    """Score a translator on a split of a release; model, release and split as in score_generator.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError, PromotionError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    chosen = find_release(workspace, release)
    selection = select(workspace, chosen, Stage.STAGE2)
    clips, name = _clips_of(workspace, chosen, Stage.STAGE2, split)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        located = find_model(settings, workspace, TRANSLATOR, model, Path(scratch))
        scores = evaluate_translator(settings, selection, clips, located.folder, name, references)
        return replace(scores, card_of=located.name, tags=located.tags)


@task(cache_policy=NO_CACHE)
@as_step("evaluate", _counted)
def score_translator_folds(
    settings: Settings, release: str | None, folds: int, fold: int | None, references: int
) -> PictureEvaluation:
    """Score translators trained on all but one fold of the speakers, each on that fold; or those of one fold.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, release), Stage.STAGE2)
    return cross_validate_translator(workspace, settings, selection, folds, references, training_callback(), fold)


@task(cache_policy=NO_CACHE)
@as_step("evaluate")
def measure_finetuning(settings: Settings, model: str | None, release: str | None, split: Split) -> FinetuningGain:
    """Measure the gain of fine-tuning on one clip of each speaker of a split. model: as in score_generator.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    chosen = find_release(workspace, release)
    selection = select(workspace, chosen, Stage.STAGE2)
    clips = [clip for clip in candidates(workspace, chosen, Stage.STAGE2) if clip.split == split]
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        found_model = find_model(settings, workspace, TRANSLATOR, model, Path(scratch))
        gain = compare_finetuning(workspace, settings, selection, clips, found_model.folder, training_callback())
        return replace(gain, card_of=found_model.name, tags=found_model.tags)


@task(cache_policy=NO_CACHE)
@as_step("evaluate")
def compare_data(
    settings: Settings, stage: str, release: str | None, folds: int, references: int
) -> DataAblation[Evaluation] | DataAblation[PictureEvaluation]:
    """Compare half of the speakers with the same half and the other half's clips that are good for this stage alone.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, release), Stage(stage))
    if Stage(stage) is Stage.STAGE2:
        return compare_picture_data(workspace, settings, selection, folds, references, training_callback())
    return generator_scores.compare_data(
        workspace, selection, settings.stage1, folds, references, training_callback(), settings.device
    )


@task(cache_policy=NO_CACHE)
@as_step("evaluate", lambda evaluation: Counts(errors=len(evaluation.failed)))
def score_dubs(settings: Settings, manifest: str, generator: str, translator: str, release: str | None) -> DubScores:
    """Score finished dubbings: a manifest's videos with their own speech, and with the one that each job names.

    The sync scorer is trained on the train split of the release (default: the newest).

    Raises: SourceError, ModelFileError, TrackingError, NotFoundError, TrainingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, release), Stage.STAGE1)
    scorer = generator_scores.release_scorer(workspace, selection, settings)
    return judge_jobs(read_jobs(Path(manifest)), generator, translator, settings, scorer, dub_watcher())


@task(cache_policy=NO_CACHE)
def show_scores(evaluation: Evaluation | PictureEvaluation, key: str) -> None:
    """Show scores in the Prefect UI."""
    create_table_artifact(key=key, table=score_rows(evaluation.scores), description=evaluation.judged_on)


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_scores(settings: Settings, evaluation: Evaluation | PictureEvaluation, what: str) -> str | None:
    """Log scores to a new MLflow run and return its id. what: the subject, such as "stage1"."""
    tags = {
        "stage": what,
        "release": evaluation.release,
        "judged_on": evaluation.judged_on,
        "model": evaluation.card_of,
    }
    if evaluation.judged_on.startswith(_BENCHMARK):
        tags["benchmark"] = evaluation.judged_on.removeprefix(_BENCHMARK)
    return log_evaluation(
        settings,
        LoggedEvaluation(
            f"evaluate {what} {evaluation.card_of} on {evaluation.judged_on}",
            {**tags, **evaluation.tags},
            metrics_of(evaluation.scores.means),
            evaluation.summary(),
            evaluation.clips(),
        ),
    )


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_finetuning(settings: Settings, found: FinetuningGain, split: Split) -> str | None:
    """Keep what fine-tuning changes in an MLflow run of its own, which is returned."""
    tags = {"stage": "stage2 finetuning", "release": found.release, "judged_on": split, "model": found.card_of}
    name = f"ablate finetuning of {found.card_of} on the {split} split"
    rows = [
        {"clip_id": row.clip_id, "speaker": row.speaker, "tuned": tuned, **asdict(row.scores)}
        for tuned, rows in ((False, found.before), (True, found.after))
        for row in rows
    ]
    return log_evaluation(
        settings, LoggedEvaluation(name, {**tags, **found.tags}, gains_of(found.changes), found.summary(), rows)
    )


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_data_gains(
    settings: Settings, found: DataAblation[Evaluation] | DataAblation[PictureEvaluation], stage: str
) -> str | None:
    """Keep what more footage for one stage gains in an MLflow run of its own, which is returned."""
    tags = {"stage": f"{stage} data", "release": found.half.release, "judged_on": found.more.judged_on}
    name = f"ablate data of {stage}"
    return log_evaluation(settings, LoggedEvaluation(name, tags, gains_of(found.gains), found.summary()))


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_dub_scores(settings: Settings, scores: DubScores) -> str | None:
    """Log scores of dubbings to a new MLflow run and return its id. Videos are not named."""
    means = [
        Mean(f"{setting}/{system}", name, interval)
        for setting, systems in scores.means.items()
        for system, scores_of in systems.items()
        for name, interval in scores_of.items()
    ]
    tags = {"stage": "dub", "generator": scores.generator, "translator": scores.translator}
    summary = {name: value for name, value in scores.summary().items() if name not in ("rows", "failed", "notes")}
    return log_evaluation(settings, LoggedEvaluation("evaluate dub", tags, metrics_of(means), summary))


def _clips_of(ws: Workspace, release: Release, stage: Stage, split: Split) -> tuple[list[ClipRef], str]:
    """Return the clips to score on and their name. Of a test split, the frozen benchmark: the split itself grows.

    Raises: PromotionError - the frozen clips are not those stored, or there is nothing to freeze. NotFoundError.
    """
    clips = candidates(ws, release, stage)
    if split != "test":
        return [clip for clip in clips if clip.split == split], f"the {split} split"
    frozen = benchmarks.freeze(ws, release, stage, "first evaluated")
    benchmarks.verify(ws, frozen, release.versions[stage.value])
    frozen_ids = {clip.clip_id for clip in frozen.clips}
    return [clip for clip in clips if clip.facts.clip_id in frozen_ids], f"{_BENCHMARK}{frozen.benchmark}"
