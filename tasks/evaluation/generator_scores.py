"""Evaluations of stage 1: a generator on a split it has not seen, cross-validated ones, and what more data is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from model.evaluation.generator import SYSTEMS, GeneratorClipScores, judge
from model.evaluation.generator_report import ERRORS, Scorecard, scorecard
from model.metrics.bootstrap import Interval, reduction_interval
from model.metrics.controls import mean_face
from model.metrics.speakers import paired
from model.stage1.files import load_generator
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
from tasks.training.run_dirs import training_folder, trainings
from tasks.training.stage1 import read_exams, train_generator

Split = Literal["train", "val", "test"]

MEAN_CLIPS: Final = 500
"""Clips of the train split behind the mean face and the sync scorer, spread over its speakers."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out. card: the generator's, of the first fold if there are several. rows: every clip and
    system. tags: which registered version it is, as MLflow has it.
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
        """Scores ready for JSON, without the single clips."""
        kept = {"release": self.release, "judged_on": self.judged_on, "references": self.references}
        told = {"verdicts": [asdict(one) for one in self.scores.verdicts], "no_interval": self.scores.no_interval}
        return kept | {"model": self.card_of, "gain": self.card.gain, **asdict(self.scores), **told}

    def clips(self) -> list[dict[str, Any]]:
        """A row for each clip and system."""
        return [
            {"clip_id": row.clip_id, "speaker": row.speaker, "system": row.system, "sync": row.sync}
            | {name: value for name, value in asdict(row.scores).items() if name != "missing"}
            for row in self.rows
        ]


def evaluate_generator(
    workspace: Workspace,
    selection: Selection,
    judged: Sequence[ClipRef],
    model: Path,
    judged_on: str,
    references: int,
    sync: SyncRecipe = STANDARD,
    device: Device = "auto",
) -> Evaluation:
    """Scores of the generator in a folder on clips, beside controls and baselines. judged_on: what they are, in words.

    Raises: ModelFileError - the generator cannot be read, or takes landmarks of another backend than the release's.
    TrainingError - there are no clips to judge on.
    """
    on = device_of(device)
    generator, card = load_generator(model, on)
    if card.backend != selection.release.backend:
        raise ModelFileError(
            f"the model reads landmarks of {card.backend}, release {selection.release.release_id} holds "
            f"{selection.release.backend}; ingest with that backend, or train on this release"
        )
    if not judged:
        raise TrainingError(f"release {selection.release.release_id} has no stage1 clip in {judged_on} to judge on")
    settings = Stage1Settings(architecture=card.architecture)
    known = read_exams(selection, spread(selection.train, MEAN_CLIPS), settings)
    exams = read_exams(selection, few_a_speaker(judged), settings)
    scorer = sync_scorer(trainings(workspace), known, sync, on)
    mean = mean_face(exam.landmarks_TPXY[exam.prepared.counts_T] for exam in known)
    rows = judge(generator, exams, references, card.gain, mean, SYSTEMS, scorer)
    release = selection.release.release_id
    return Evaluation(release, judged_on, references, card, str(model), scorecard(rows), tuple(rows))


def release_scorer(workspace: Workspace, selection: Selection, settings: Settings) -> SyncScorer:
    """The sync scorer of a release's train split, trained when it is first asked for.

    Raises: TrainingError - no clip of the split both moves and sounds. SettingsError - the device is not there.
    """
    known = read_exams(selection, spread(selection.train, MEAN_CLIPS), settings.stage1)
    recipe = SyncRecipe(steps=settings.stage1.sync_steps)
    return sync_scorer(trainings(workspace), known, recipe, device_of(settings.device))


def cross_validate(
    workspace: Workspace,
    selection: Selection,
    settings: Stage1Settings,
    count: int,
    references: int,
    listener: Callback,
    speakers: int | None = None,
    device: Device = "auto",
) -> Evaluation:
    """Train a generator for each fold and judge it on the fold's speakers; the scores of all folds together. speakers:
    see `folds`.

    Trainings that were done before, with the same clips and settings, are not done again.

    Raises: as folds, train_generator and evaluate_generator.
    """
    parts = [
        _trained_and_judged(
            workspace, fold, judged, settings, f"fold {number + 1} of {count}", references, listener, device
        )
        for number, (fold, judged) in enumerate(folds(selection, count, speakers))
    ]
    few = "" if speakers is None else f", {speakers} at most to learn from"
    return _together(parts, f"{count} folds over speakers{few}")


def compare_data(
    workspace: Workspace,
    selection: Selection,
    settings: Stage1Settings,
    count: int,
    references: int,
    listener: Callback,
    device: Device = "auto",
) -> DataAblation[Evaluation]:
    """What more footage that is good for stage 1 alone is worth.

    Raises: as ablate_data, train_generator and evaluate_generator.
    """

    def trial(part: Selection, judged: Sequence[ClipRef], name: str) -> Evaluation:
        return _trained_and_judged(workspace, part, judged, settings, name, references, listener, device)

    return ablate_data(selection, count, trial, _together, _gains)


def _gains(half: Evaluation, more: Evaluation) -> dict[str, Interval]:
    after, before = _own(more), _own(half)
    return {score: reduction_interval(*paired(after, before, score)) for score in ERRORS}


def _trained_and_judged(
    workspace: Workspace,
    fold: Selection,
    judged: Sequence[ClipRef],
    settings: Stage1Settings,
    name: str,
    references: int,
    listener: Callback,
    device: Device,
) -> Evaluation:
    trained = train_generator(fold, settings, training_folder(workspace, fold, settings), listener, device=device)
    sync = SyncRecipe(steps=settings.sync_steps)
    return evaluate_generator(workspace, fold, judged, trained.model, name, references, sync, device)


def _own(part: Evaluation) -> list[GeneratorClipScores]:
    return [row for row in part.rows if row.system == "own sound"]


def _together(parts: Sequence[Evaluation], name: str) -> Evaluation:
    rows = tuple(row for part in parts for row in part.rows)
    first = parts[0]
    return Evaluation(first.release, name, first.references, first.card, first.card_of, scorecard(rows), rows)
