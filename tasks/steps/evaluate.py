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
from tasks.tracking.named_models import find_model
from tasks.training.clip_selection import ClipRef, candidates, find_release, select
from tasks.training.progress import training_callback

_BENCHMARK: Final = "benchmark "


def _counted(found: Evaluation | PictureEvaluation) -> Counts:
    """What `metrics` keeps of an evaluation."""
    facts = {"release": found.release, "judged_on": found.judged_on}
    return Counts(clips=len({row.clip_id for row in found.rows}), facts=facts)


@task(cache_policy=NO_CACHE)
@as_step("judge", _counted)
def judge_model(
    settings: Settings, model: str | None, release: str | None, split: Split, references: int
) -> Evaluation:
    """Scores of a generator on a split of a release, the newest unless named; of the test split, on what is frozen.

    model: a folder, or what tasks/tracking/models.py finds by "version", "@alias" or run id; None: the newest version.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError, PromotionError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    found = find_release(workspace, release)
    selection = select(workspace, found, Stage.STAGE1)
    judged, name = _clips_of(workspace, found, Stage.STAGE1, split)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        found_model = find_model(settings, workspace, GENERATOR, model, Path(scratch))
        sync = SyncRecipe(steps=settings.stage1.sync_steps)
        scores = generator_scores.evaluate_generator(
            workspace, selection, judged, found_model.folder, name, references, sync, settings.device
        )
        return replace(scores, card_of=found_model.name, tags=found_model.tags)


@task(cache_policy=NO_CACHE)
@as_step("judge", _counted)
def judge_folds(
    settings: Settings, release: str | None, folds: int, references: int, speakers: int | None
) -> Evaluation:
    """Scores of generators trained on all but one fold of the speakers, or so many of them, each judged on that fold.

    Raises: TrainingError, NotFoundError, WorkspaceError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, release), Stage.STAGE1)
    return generator_scores.cross_validate(
        workspace, selection, settings.stage1, folds, references, training_callback(), speakers, settings.device
    )


@task(cache_policy=NO_CACHE)
@as_step("judge", _counted)
def judge_translator(
    settings: Settings, model: str | None, release: str | None, split: Split, references: int
) -> PictureEvaluation:
    """Scores of a translator on a split of a release; model, release and split as in judge_model.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError, PromotionError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    found = find_release(workspace, release)
    selection = select(workspace, found, Stage.STAGE2)
    judged, name = _clips_of(workspace, found, Stage.STAGE2, split)
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        found_model = find_model(settings, workspace, TRANSLATOR, model, Path(scratch))
        scores = evaluate_translator(settings, selection, judged, found_model.folder, name, references)
        return replace(scores, card_of=found_model.name, tags=found_model.tags)


@task(cache_policy=NO_CACHE)
@as_step("judge", _counted)
def judge_translator_folds(
    settings: Settings, release: str | None, folds: int, fold: int | None, references: int
) -> PictureEvaluation:
    """Scores of translators trained on all but one fold of the speakers, each judged on that fold; or of one fold.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, release), Stage.STAGE2)
    return cross_validate_translator(workspace, settings, selection, folds, references, training_callback(), fold)


@task(cache_policy=NO_CACHE)
@as_step("judge")
def judge_finetuning(settings: Settings, model: str | None, release: str | None, split: Split) -> FinetuningGain:
    """What fine-tuning on one clip of each speaker of a split changes on the rest of it. model: as in judge_model.

    Raises: ModelFileError, TrackingError, NotFoundError, TrainingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    found = find_release(workspace, release)
    selection = select(workspace, found, Stage.STAGE2)
    judged = [clip for clip in candidates(workspace, found, Stage.STAGE2) if clip.split == split]
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        found_model = find_model(settings, workspace, TRANSLATOR, model, Path(scratch))
        gain = compare_finetuning(workspace, settings, selection, judged, found_model.folder, training_callback())
        return replace(gain, card_of=found_model.name, tags=found_model.tags)


@task(cache_policy=NO_CACHE)
@as_step("judge")
def compare_data(
    settings: Settings, stage: str, release: str | None, folds: int, references: int
) -> DataAblation[Evaluation] | DataAblation[PictureEvaluation]:
    """Half of the speakers against the same half and the other half's clips that are good for this stage alone.

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
@as_step("judge", lambda found: Counts(errors=len(found.failed)))
def judge_dubs(settings: Settings, manifest: str, generator: str, translator: str, release: str | None) -> DubScores:
    """Scores of finished dubbings: a manifest's videos with their own speech, and with the one that each job names.

    The sync scorer is trained on the train split of the release, the newest unless named.

    Raises: SourceError, ModelFileError, TrackingError, NotFoundError, TrainingError - the text says what to do.
    """
    workspace = Workspace.open(settings.workspace)
    selection = select(workspace, find_release(workspace, release), Stage.STAGE1)
    scorer = generator_scores.release_scorer(workspace, selection, settings)
    return judge_jobs(read_jobs(Path(manifest)), generator, translator, settings, scorer, dub_watcher())


@task(cache_policy=NO_CACHE)
def show_scores(found: Evaluation | PictureEvaluation, key: str) -> None:
    """Show scores in the Prefect UI."""
    create_table_artifact(key=key, table=score_rows(found.scores), description=found.judged_on)


@task(cache_policy=NO_CACHE)
@as_step("log")
def log_scores(settings: Settings, found: Evaluation | PictureEvaluation, what: str) -> str | None:
    """Keep scores in an MLflow run of their own, which is returned. what: was evaluated, such as "stage1"."""
    tags = {"stage": what, "release": found.release, "judged_on": found.judged_on, "model": found.card_of}
    if found.judged_on.startswith(_BENCHMARK):
        tags["benchmark"] = found.judged_on.removeprefix(_BENCHMARK)
    return log_evaluation(
        settings,
        LoggedEvaluation(
            f"evaluate {what} {found.card_of} on {found.judged_on}",
            {**tags, **found.tags},
            metrics_of(found.scores.means),
            found.summary(),
            found.clips(),
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
        for tuned, sat in ((False, found.before), (True, found.after))
        for row in sat
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
    """Keep scores of dubbings in an MLflow run of their own, which is returned. Videos are not named."""
    means = [
        Mean(f"{setting}/{system}", name, interval)
        for setting, systems in scores.means.items()
        for system, own in systems.items()
        for name, interval in own.items()
    ]
    tags = {"stage": "dub", "generator": scores.generator, "translator": scores.translator}
    summary = {name: value for name, value in scores.summary().items() if name not in ("rows", "failed", "notes")}
    return log_evaluation(settings, LoggedEvaluation("evaluate dub", tags, metrics_of(means), summary))


def _clips_of(ws: Workspace, release: Release, stage: Stage, split: Split) -> tuple[list[ClipRef], str]:
    """The clips to judge on, and what they are, in words. Of a test split, what was frozen: it grows with the corpus.

    Raises: PromotionError - what was frozen is not what is stored, or there is nothing to freeze. NotFoundError.
    """
    found = candidates(ws, release, stage)
    if split != "test":
        return [clip for clip in found if clip.split == split], f"the {split} split"
    frozen = benchmarks.freeze(ws, release, stage, "first evaluated")
    benchmarks.verify(ws, frozen, release.versions[stage.value])
    held = {clip.clip_id for clip in frozen.clips}
    return [clip for clip in found if clip.facts.clip_id in held], f"{_BENCHMARK}{frozen.benchmark}"
