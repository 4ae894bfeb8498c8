"""Evaluations of stage 2: a translator on clips of speakers it has not seen, and cross-validated ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.metrics.bootstrap import Interval
from model.metrics.frechet import frechet_distance
from model.perception.lite0 import Lite0
from model.stage2.files import load_translator
from model.stage2.inference import PainterTranslator
from model.stage2.judging import SYSTEMS, Finder, Sitting, System, answer
from model.stage2.scorecard import ERRORS, PictureCard, Sat, change, picture_card
from model.stage2.scores import JudgedFeatures, judged_features, score
from model.training.listening import Listener
from schemas.cards import TranslatorCard
from schemas.errors import ModelFileError, TrainingError, WeightsMissingError
from schemas.settings import Settings
from tasks.faces.backend import open_backend
from tasks.faces.finding import find_again
from tasks.learning.ablation import DataAblation, ablate_data
from tasks.learning.device import device_of
from tasks.learning.folders import training_folder
from tasks.learning.folds import folds
from tasks.learning.selection import Candidate, Selection, few_a_speaker
from tasks.learning.sittings import read_sittings
from tasks.learning.stage2 import train_translator
from tasks.stores.workspace import Workspace

MOST_FRAMES: Final = 40
"""Frames in a row that are judged of each clip, from its middle."""

_FOUND: Final = "landmarks found again"

Features = dict[System, list[JudgedFeatures]]


@dataclass(frozen=True, slots=True)
class PictureEvaluation:
    """What came out. card: the translator's, of the first fold if there are several. rows: every clip and
    system. tags: which registered version it is, as MLflow has it.
    """

    release: str
    judged_on: str
    references: int
    card: TranslatorCard
    card_of: str
    scores: PictureCard
    rows: tuple[Sat, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Scores ready for JSON, without the single clips."""
        kept = {"release": self.release, "judged_on": self.judged_on, "references": self.references}
        model = {"model": self.card_of, "steps": self.card.steps, "tuned_on": list(self.card.tuned_on)}
        verdicts = {"verdicts": [asdict(one) for one in self.scores.verdicts], "no_interval": self.scores.no_interval}
        return kept | model | asdict(self.scores) | verdicts

    def clips(self) -> list[dict[str, Any]]:
        """A row for each clip and system."""
        return [
            {"clip_id": row.clip_id, "speaker": row.speaker, "system": row.system} | asdict(row.scores)
            for row in self.rows
        ]


def evaluate_translator(
    settings: Settings,
    selection: Selection,
    judged: Sequence[Candidate],
    model: Path,
    judged_on: str,
    references: int,
) -> PictureEvaluation:
    """Scores of the translator in a folder on clips, beside baselines.

    Raises: ModelFileError - it cannot be read, or takes landmarks of another backend than the release's. TrainingError
    - there are no clips to judge on.
    """
    device = device_of(settings.device)
    painter, card = load_translator(model, device)
    release = selection.release
    if card.backend != release.backend:
        raise ModelFileError(
            f"the model reads landmarks of {card.backend}, release {release.release_id} holds {release.backend}; "
            f"ingest with that backend, or train on this release"
        )
    if not judged:
        raise TrainingError(f"release {release.release_id} has no stage2 clip in {judged_on} to judge on")
    judge, (find, missing) = Lite0().to(device), finder(settings, release.backend)
    translator, rows, features = PainterTranslator(painter), [], Features()
    for clip in few_a_speaker(judged):
        for sitting in read_sittings(selection, [clip], card.shape.side_px, references, MOST_FRAMES, strict=False):
            rows += _sat(sitting, translator, judge, find, features)
    if not rows:
        raise TrainingError(f"no clip in {judged_on} has more tracked frames than the {references} that are told")
    scores = picture_card(rows, _frechet(features))
    scores = replace(scores, not_measured=scores.not_measured | missing)
    return PictureEvaluation(release.release_id, judged_on, references, card, str(model), scores, tuple(rows))


def cross_validate_translator(
    workspace: Workspace,
    settings: Settings,
    selection: Selection,
    count: int,
    references: int,
    listener: Listener,
    only: int | None = None,
) -> PictureEvaluation:
    """Train a translator for each fold and judge it on the fold's speakers; the scores of all folds together.

    only: the number of one fold, from 1, for who has no time for all. Trainings that were done before, with the same
    clips and settings, are not done again.

    Raises: as folds, train_translator and evaluate_translator. TrainingError also for a fold that there is not.
    """
    if only is not None and not 1 <= only <= count:
        raise TrainingError(f"there is no fold {only} of {count}")
    parts = []
    for number, (fold, judged) in enumerate(folds(selection, count), 1):
        if only in (None, number):
            name = f"fold {number} of {count}"
            parts.append(_trained_and_judged(workspace, settings, fold, judged, name, references, listener))
    return parts[0] if only is not None else _together(parts, f"{count} folds over speakers")


def compare_picture_data(
    workspace: Workspace, settings: Settings, selection: Selection, count: int, references: int, listener: Listener
) -> DataAblation[PictureEvaluation]:
    """What more footage that is good for stage 2 alone (silent, under music, GIFs) is worth.

    Raises: as ablate_data, train_translator and evaluate_translator.
    """

    def trial(part: Selection, judged: Sequence[Candidate], name: str) -> PictureEvaluation:
        return _trained_and_judged(workspace, settings, part, judged, name, references, listener)

    return ablate_data(selection, count, trial, _together, _gains)


def _gains(half: PictureEvaluation, more: PictureEvaluation) -> dict[str, Interval]:
    before, after = ([row for row in part.rows if row.system == "painted"] for part in (half, more))
    return {score: change(after, before, score) for score in ERRORS}


def _trained_and_judged(
    workspace: Workspace,
    settings: Settings,
    fold: Selection,
    judged: Sequence[Candidate],
    name: str,
    references: int,
    listener: Listener,
) -> PictureEvaluation:
    folder = training_folder(workspace, fold, settings.stage2, "stage2")
    trained = train_translator(fold, settings.stage2, settings.weights, folder, listener, device=settings.device)
    return evaluate_translator(settings, fold, judged, trained.model, name, references)


def _together(parts: Sequence[PictureEvaluation], name: str) -> PictureEvaluation:
    rows = tuple(row for part in parts for row in part.rows)
    # a Frechet distance is of one model's pictures
    return replace(parts[0], judged_on=name, scores=picture_card(rows, {}), rows=rows)


def _sat(
    sitting: Sitting, translator: PainterTranslator, judge: Lite0, finder: Finder | None, features: Features
) -> list[Sat]:
    rows = []
    for system in SYSTEMS:
        made = answer(sitting, system, translator)
        rows.append(Sat(sitting.exam.clip_id, sitting.exam.speaker, system, score(sitting, made, judge, finder)))
        features.setdefault(system, []).append(judged_features(judge, sitting, made))
    return rows


def _frechet(features: Features) -> dict[System, dict[str, float]]:
    """Distances to the source's features: of frames, and of their changes from frame to frame."""

    def sets(system: System) -> dict[str, NDArray[np.float32]]:
        parts = features[system]
        return {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("frames", "motion")}

    true = sets("source")
    return {
        system: {name: frechet_distance(made, true[name]) for name, made in sets(system).items() if len(true[name]) > 1}
        for system in features
        if system != "source"
    }


def finder(settings: Settings, backend: str) -> tuple[Finder | None, dict[str, str]]:
    """What looks for faces again, by the backend that the release's landmarks are of; or why nothing does."""
    name = backend.partition("@")[0]
    try:
        opened = open_backend(settings.model_copy(update={"backend": name}))
    except WeightsMissingError as error:
        return None, {_FOUND: str(error)}
    return partial(find_again, opened, settings.clips), {}
