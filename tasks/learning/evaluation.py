"""Evaluations of stage 1: a generator on a split it has not seen, cross-validated ones, and what more data is worth."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from model.metrics.baselines import mean_face
from model.metrics.bootstrap import Interval, reduction_interval
from model.stage1.files import load_generator
from model.stage1.judging import SYSTEMS, Sat, by_speaker, judge
from model.stage1.scorecard import ERRORS, Scorecard, scorecard
from model.sync.scorer import SyncScorer
from model.training.listening import Listener
from schemas.cards import GeneratorCard
from schemas.errors import ModelFileError, TrainingError
from schemas.training import Stage1Settings
from tasks.learning.folders import trainings
from tasks.learning.folds import folds, halves
from tasks.learning.selection import Candidate, Selection
from tasks.learning.stage1 import read_exams, spread, train_generator, training_folder
from tasks.learning.sync import STANDARD, SyncRecipe, sync_scorer
from tasks.stores.benchmarks import CLIPS_A_SPEAKER
from tasks.stores.workspace import Workspace

Split = Literal["train", "val", "test"]

MEAN_CLIPS: Final = 500
"""Clips of the train split behind the mean face and the sync scorer, spread over its speakers."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out. card: the generator's, of the first fold if there are several. rows: every clip, every system."""

    release: str
    judged_on: str
    references: int
    card: GeneratorCard
    card_of: str
    scores: Scorecard
    rows: tuple[Sat, ...]

    def summary(self) -> dict[str, Any]:
        """Scores ready for JSON, without the single clips."""
        kept = {"release": self.release, "judged_on": self.judged_on, "references": self.references}
        return kept | {"model": self.card_of, "gain": self.card.gain, **asdict(self.scores)}

    def clips(self) -> list[dict[str, Any]]:
        """A row for each clip and system."""
        return [
            {"clip_id": row.clip_id, "speaker": row.speaker, "system": row.system, "sync": row.sync}
            | {name: value for name, value in asdict(row.scores).items() if name != "missing"}
            for row in self.rows
        ]


def few_a_speaker(clips: Sequence[Candidate], most: int = CLIPS_A_SPEAKER) -> list[Candidate]:
    """At most so many clips of each speaker, by ids."""
    seen: dict[str, int] = {}
    kept = []
    for clip in sorted(clips, key=lambda clip: clip.facts.clip_id):
        seen[clip.facts.speaker] = seen.get(clip.facts.speaker, 0) + 1
        if seen[clip.facts.speaker] <= most:
            kept.append(clip)
    return kept


def evaluate_generator(
    workspace: Workspace,
    selection: Selection,
    judged: Sequence[Candidate],
    model: Path,
    split: str,
    references: int,
    sync: SyncRecipe = STANDARD,
) -> Evaluation:
    """Scores of the generator in a folder on clips, beside controls and baselines.

    Raises: ModelFileError - the generator cannot be read, or takes landmarks of another backend than the release's.
    TrainingError - there are no clips to judge on.
    """
    generator, card = load_generator(model)
    if card.backend != selection.release.backend:
        raise ModelFileError(
            f"the model reads landmarks of {card.backend}, release {selection.release.release_id} holds "
            f"{selection.release.backend}; ingest with that backend, or train on this release"
        )
    if not judged:
        raise TrainingError(
            f"release {selection.release.release_id} has no stage1 clip in its {split} split to judge on"
        )
    settings = Stage1Settings(shape=card.shape)
    known = read_exams(selection, spread(selection.train, MEAN_CLIPS), settings)
    exams = read_exams(selection, few_a_speaker(judged), settings)
    scorer = sync_scorer(sync_folder(workspace), known, sync)
    mean = mean_face(exam.landmarks_TPXY[exam.prepared.counts_T] for exam in known)
    rows = judge(generator, exams, references, card.gain, mean, SYSTEMS, scorer)
    return Evaluation(selection.release.release_id, split, references, card, str(model), scorecard(rows), tuple(rows))


def release_scorer(workspace: Workspace, selection: Selection, settings: Stage1Settings) -> SyncScorer:
    """The sync scorer of a release's train split, trained when it is first asked for.

    Raises: TrainingError - no clip of the split both moves and sounds.
    """
    known = read_exams(selection, spread(selection.train, MEAN_CLIPS), settings)
    return sync_scorer(sync_folder(workspace), known, SyncRecipe(steps=settings.sync_steps))


def cross_validate(
    workspace: Workspace,
    selection: Selection,
    settings: Stage1Settings,
    count: int,
    references: int,
    listener: Listener,
    speakers: int | None = None,
) -> Evaluation:
    """Train a generator for each fold and judge it on the fold's speakers; the scores of all folds together. speakers:
    see `folds`.

    Trainings that were done before, with the same clips and settings, are not done again.

    Raises: as folds, train_generator and evaluate_generator.
    """
    parts = [
        _trained_and_judged(workspace, fold, judged, settings, f"fold {number + 1} of {count}", references, listener)
        for number, (fold, judged) in enumerate(folds(selection, count, speakers))
    ]
    few = "" if speakers is None else f", {speakers} at most to learn from"
    return _together(parts, f"{count} folds over speakers{few}")


@dataclass(frozen=True, slots=True)
class DataAblation:
    """Half of the speakers against the same half and more stage-1-only footage, on the same unseen speakers."""

    half: Evaluation
    more: Evaluation
    half_clips: int
    added_clips: int
    added_speakers: int

    def gains(self) -> dict[str, Interval]:
        """By how much the added footage lowers each error, as a share of the half's; paired by speaker."""
        gains = {}
        for score in ERRORS:
            half, more = (by_speaker(_own(part), score) for part in (self.half, self.more))
            both = sorted(half.keys() & more.keys())
            gains[score] = reduction_interval([more[name] for name in both], [half[name] for name in both])
        return gains

    def summary(self) -> dict[str, Any]:
        """Both evaluations and what was gained, ready for JSON."""
        sizes = {name: getattr(self, name) for name in ("half_clips", "added_clips", "added_speakers")}
        gains = {score: asdict(interval) for score, interval in self.gains().items()}
        return sizes | {"gains": gains, "half": self.half.summary(), "more": self.more.summary()}


def ablate_data(
    workspace: Workspace,
    selection: Selection,
    settings: Stage1Settings,
    count: int,
    references: int,
    listener: Listener,
) -> DataAblation:
    """Train twice a fold: on half of its training speakers, and with the other half's stage-1-only clips added.

    Raises: as folds, halves, train_generator and evaluate_generator.
    """
    half_parts: list[Evaluation] = []
    more_parts: list[Evaluation] = []
    added: list[Candidate] = []
    sizes = 0
    for number, (fold, judged) in enumerate(folds(selection, count)):
        half, more = halves(fold)
        for part, parts, name in ((half, half_parts, "half"), (more, more_parts, "half and more")):
            title = f"{name}, fold {number + 1} of {count}"
            parts.append(_trained_and_judged(workspace, part, judged, settings, title, references, listener))
        sizes += len(half.train)
        added += more.train[len(half.train) :]
    return DataAblation(
        _together(half_parts, f"half of the speakers, {count} folds"),
        _together(more_parts, f"half of the speakers and more stage-1-only footage, {count} folds"),
        sizes,
        len(added),
        len({clip.facts.speaker for clip in added}),
    )


def _trained_and_judged(
    workspace: Workspace,
    fold: Selection,
    judged: Sequence[Candidate],
    settings: Stage1Settings,
    name: str,
    references: int,
    listener: Listener,
) -> Evaluation:
    trained = train_generator(fold, settings, training_folder(workspace, fold, settings), listener)
    sync = SyncRecipe(steps=settings.sync_steps)
    return evaluate_generator(workspace, fold, judged, trained.model, name, references, sync)


def _own(part: Evaluation) -> list[Sat]:
    return [row for row in part.rows if row.system == "own sound"]


def _together(parts: Sequence[Evaluation], name: str) -> Evaluation:
    rows = tuple(row for part in parts for row in part.rows)
    first = parts[0]
    return Evaluation(first.release, name, first.references, first.card, first.card_of, scorecard(rows), rows)


def sync_folder(workspace: Workspace) -> Path:
    """Where sync scorers are kept, beside the trainings."""
    return trainings(workspace)
