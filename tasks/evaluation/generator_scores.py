"""Evaluations of stage 1: a generator on a held-out split, cross-validation, and data ablation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from model.evaluation.generator import SYSTEMS, GeneratorClipScores, score_generator
from model.evaluation.generator_report import ERRORS, Scorecard, scorecard
from model.io import load_generator
from model.metrics.bootstrap import Interval, reduction_interval
from model.metrics.controls import mean_face
from model.metrics.speakers import paired
from model.syncnet.scorer import SyncScorer
from model.training.callbacks import Callback
from schemas.cards import GeneratorCard
from schemas.config.settings import Settings
from schemas.config.training import Device, Stage1Settings
from schemas.errors import ModelFileError, TrainingError
from tasks.evaluation.ablation import DataAblation, ablate_data
from tasks.evaluation.folds import folds
from tasks.evaluation.syncnet import STANDARD, SyncRecipe, sync_scorer
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import ClipRef, Selection, few_a_speaker, spread
from tasks.training.device import device_of
from tasks.training.run import run_training
from tasks.training.run_dirs import training_folder, trainings
from tasks.training.stage1 import generator_spec, read_eval_clips

Split = Literal["train", "val", "test"]

MEAN_CLIPS: Final = 500
"""Clips of the train split behind the mean face and the sync scorer, spread over its speakers."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a generator. card: of the first fold if there are several. rows: every clip and system. tags: the
    registered version, as in MLflow.
    """

    release: str
    judged_on: str
    references: int
    card: GeneratorCard
    card_of: str
    scores: Scorecard
    rows: tuple[GeneratorClipScores, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the scores ready for JSON, without the single clips."""
        inputs = {"release": self.release, "judged_on": self.judged_on, "references": self.references}
        verdicts = {"verdicts": [asdict(one) for one in self.scores.verdicts], "no_interval": self.scores.no_interval}
        return inputs | {"model": self.card_of, "gain": self.card.gain, **asdict(self.scores), **verdicts}

    def clips(self) -> list[dict[str, Any]]:
        """Return a row for each clip and system."""
        return [
            {"clip_id": row.clip_id, "speaker": row.speaker, "system": row.system, "sync": row.sync}
            | {name: value for name, value in asdict(row.scores).items() if name != "missing"}
            for row in self.rows
        ]


def evaluate_generator(
    workspace: Workspace,
    selection: Selection,
    test_clips: Sequence[ClipRef],
    model: Path,
    judged_on: str,
    references: int,
    sync: SyncRecipe = STANDARD,
    device: Device = "auto",
) -> Evaluation:
    """Score the generator in a folder on clips, beside trivial controls. judged_on: name of the clips, in words.

    Raises: ModelFileError - the generator cannot be read, or takes landmarks of another backend than the release's.
    TrainingError - there are no clips to evaluate on.
    """
    on = device_of(device)
    generator, card = load_generator(model, on)
    if card.backend != selection.release.backend:
        raise ModelFileError(
            f"the model reads landmarks of {card.backend}, release {selection.release.release_id} holds "
            f"{selection.release.backend}; ingest with that backend, or train on this release"
        )
    if not test_clips:
        raise TrainingError(f"release {selection.release.release_id} has no stage1 clip in {judged_on} to evaluate on")
    settings = Stage1Settings(architecture=card.architecture)
    known = read_eval_clips(selection, spread(selection.train, MEAN_CLIPS), settings)
    eval_clips = read_eval_clips(selection, few_a_speaker(test_clips), settings)
    scorer = sync_scorer(trainings(workspace), known, sync, on)
    mean = mean_face(eval_clip.landmarks_TPXY[eval_clip.prepared.counts_T] for eval_clip in known)
    rows = score_generator(generator, eval_clips, references, card.gain, mean, SYSTEMS, scorer)
    release = selection.release.release_id
    return Evaluation(release, judged_on, references, card, str(model), scorecard(rows), tuple(rows))


def release_scorer(workspace: Workspace, selection: Selection, settings: Settings) -> SyncScorer:
    """Return the sync scorer of a release's train split, trained on first use.

    Raises: TrainingError - no clip of the split both moves and sounds. SettingsError - the device is not there.
    """
    known = read_eval_clips(selection, spread(selection.train, MEAN_CLIPS), settings.stage1)
    recipe = SyncRecipe(steps=settings.stage1.sync_steps)
    return sync_scorer(trainings(workspace), known, recipe, device_of(settings.device))


def cross_validate(
    workspace: Workspace,
    selection: Selection,
    settings: Stage1Settings,
    count: int,
    references: int,
    callback: Callback,
    speakers: int | None = None,
    device: Device = "auto",
) -> Evaluation:
    """Train a generator for each fold and evaluate it on the fold's speakers; returns the scores of all folds.

    speakers: see `folds`. Finished trainings with the same clips and settings are reused.

    Raises: as folds, run_training and evaluate_generator.
    """
    parts = [
        _train_and_evaluate(
            workspace, fold, test_clips, settings, f"fold {number + 1} of {count}", references, callback, device
        )
        for number, (fold, test_clips) in enumerate(folds(selection, count, speakers))
    ]
    few = "" if speakers is None else f", {speakers} at most to train on"
    return _merged(parts, f"{count} folds over speakers{few}")


def compare_data(
    workspace: Workspace,
    selection: Selection,
    settings: Stage1Settings,
    count: int,
    references: int,
    callback: Callback,
    device: Device = "auto",
) -> DataAblation[Evaluation]:
    """Measure the effect of additional footage that is good for stage 1 alone.

    Raises: as ablate_data, run_training and evaluate_generator.
    """

    def trial(part: Selection, test_clips: Sequence[ClipRef], name: str) -> Evaluation:
        return _train_and_evaluate(workspace, part, test_clips, settings, name, references, callback, device)

    return ablate_data(selection, count, trial, _merged, _gains)


def _gains(half: Evaluation, more: Evaluation) -> dict[str, Interval]:
    after, before = _own(more), _own(half)
    return {score: reduction_interval(*paired(after, before, score)) for score in ERRORS}


def _train_and_evaluate(
    workspace: Workspace,
    fold: Selection,
    test_clips: Sequence[ClipRef],
    settings: Stage1Settings,
    name: str,
    references: int,
    callback: Callback,
    device: Device,
) -> Evaluation:
    folder = training_folder(workspace, fold, settings)
    trained = run_training(generator_spec(fold, settings), folder, callback, device=device)
    sync = SyncRecipe(steps=settings.sync_steps)
    return evaluate_generator(workspace, fold, test_clips, trained.model, name, references, sync, device)


def _own(part: Evaluation) -> list[GeneratorClipScores]:
    return [row for row in part.rows if row.system == "own sound"]


def _merged(parts: Sequence[Evaluation], name: str) -> Evaluation:
    rows = tuple(row for part in parts for row in part.rows)
    first = parts[0]
    return Evaluation(first.release, name, first.references, first.card, first.card_of, scorecard(rows), rows)
