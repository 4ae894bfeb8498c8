"""Evaluations of stage 2: a translator on held-out speakers, cross-validation, and data ablation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.evaluation.image_scores import EvaluatedFeatures, heldout_features, score
from model.evaluation.translator import SYSTEMS, EvalWindow, Finder, System, system_crops
from model.evaluation.translator_report import ERRORS, PictureCard, TranslatorClipScores, change, picture_card
from model.io import load_translator
from model.metrics.bootstrap import Interval
from model.metrics.frechet import frechet_distance
from model.perceptual.lite0 import Lite0
from model.stage2.inference import TranslatorInference
from model.training.callbacks import Callback
from schemas.cards import TranslatorCard
from schemas.config.settings import Settings
from schemas.errors import ModelFileError, TrainingError, WeightsMissingError
from tasks.evaluation.ablation import DataAblation, ablate_data
from tasks.evaluation.folds import folds
from tasks.faces.backend import open_backend
from tasks.faces.tracker import find_landmarks
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import ClipRef, Selection, few_a_speaker
from tasks.training.device import device_of
from tasks.training.run import run_training
from tasks.training.run_dirs import training_folder
from tasks.training.stage2 import translator_spec
from tasks.training.validation import read_eval_windows

MOST_FRAMES: Final = 40
"""Consecutive frames that are scored of each clip, from its middle."""

_FOUND: Final = "landmarks found again"

Features = dict[System, list[EvaluatedFeatures]]


@dataclass(frozen=True, slots=True)
class PictureEvaluation:
    """Scores of a translator. card: of the first fold if there are several. rows: every clip and system. tags: the
    registered version, as in MLflow.
    """

    release: str
    judged_on: str
    references: int
    card: TranslatorCard
    card_of: str
    scores: PictureCard
    rows: tuple[TranslatorClipScores, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the scores ready for JSON, without the single clips."""
        inputs = {"release": self.release, "judged_on": self.judged_on, "references": self.references}
        model = {"model": self.card_of, "steps": self.card.steps, "tuned_on": list(self.card.tuned_on)}
        verdicts = {"verdicts": [asdict(one) for one in self.scores.verdicts], "no_interval": self.scores.no_interval}
        return inputs | model | asdict(self.scores) | verdicts

    def clips(self) -> list[dict[str, Any]]:
        """Return a row for each clip and system."""
        return [
            {"clip_id": row.clip_id, "speaker": row.speaker, "system": row.system} | asdict(row.scores)
            for row in self.rows
        ]


def evaluate_translator(
    settings: Settings,
    selection: Selection,
    test_clips: Sequence[ClipRef],
    model: Path,
    judged_on: str,
    references: int,
) -> PictureEvaluation:
    """Score the translator in a folder on clips, beside trivial controls.

    Raises: ModelFileError - it cannot be read, or takes landmarks of another backend than the release's. TrainingError
    - there are no clips to evaluate on.
    """
    device = device_of(settings.device)
    translator, card = load_translator(model, device)
    release = selection.release
    if card.backend != release.backend:
        raise ModelFileError(
            f"the model reads landmarks of {card.backend}, release {release.release_id} holds {release.backend}; "
            f"ingest with that backend, or train on this release"
        )
    if not test_clips:
        raise TrainingError(f"release {release.release_id} has no stage2 clip in {judged_on} to evaluate on")
    lite0, (find, missing) = Lite0().to(device), finder(settings, release.backend)
    inference, rows, features = TranslatorInference(translator), [], Features()
    for clip in few_a_speaker(test_clips):
        for eval_window in read_eval_windows(
            selection, [clip], card.architecture.side_px, references, MOST_FRAMES, strict=False
        ):
            rows += _scores_of(eval_window, inference, lite0, find, features)
    if not rows:
        raise TrainingError(f"no clip in {judged_on} has more tracked frames than the {references} references")
    scores = picture_card(rows, _frechet(features))
    scores = replace(scores, not_measured=scores.not_measured | missing)
    return PictureEvaluation(release.release_id, judged_on, references, card, str(model), scores, tuple(rows))


def cross_validate_translator(
    workspace: Workspace,
    settings: Settings,
    selection: Selection,
    count: int,
    references: int,
    callback: Callback,
    only: int | None = None,
) -> PictureEvaluation:
    """Train a translator for each fold and evaluate it on the fold's speakers; returns the scores of all folds.

    only: number of a single fold to run, from 1. Finished trainings with the same clips and settings are reused.

    Raises: as folds, run_training and evaluate_translator. TrainingError also for a fold out of range.
    """
    if only is not None and not 1 <= only <= count:
        raise TrainingError(f"there is no fold {only}; folds are 1 to {count}")
    parts = []
    for number, (fold, test_clips) in enumerate(folds(selection, count), 1):
        if only in (None, number):
            name = f"fold {number} of {count}"
            parts.append(_train_and_evaluate(workspace, settings, fold, test_clips, name, references, callback))
    return parts[0] if only is not None else _merged(parts, f"{count} folds over speakers")


def compare_picture_data(
    workspace: Workspace, settings: Settings, selection: Selection, count: int, references: int, callback: Callback
) -> DataAblation[PictureEvaluation]:
    """Measure the effect of additional footage that is good for stage 2 alone (silent, under music, GIFs).

    Raises: as ablate_data, run_training and evaluate_translator.
    """

    def trial(part: Selection, test_clips: Sequence[ClipRef], name: str) -> PictureEvaluation:
        return _train_and_evaluate(workspace, settings, part, test_clips, name, references, callback)

    return ablate_data(selection, count, trial, _merged, _gains)


def _gains(half: PictureEvaluation, more: PictureEvaluation) -> dict[str, Interval]:
    before, after = ([row for row in part.rows if row.system == "painted"] for part in (half, more))
    return {score: change(after, before, score) for score in ERRORS}


def _train_and_evaluate(
    workspace: Workspace,
    settings: Settings,
    fold: Selection,
    test_clips: Sequence[ClipRef],
    name: str,
    references: int,
    callback: Callback,
) -> PictureEvaluation:
    folder = training_folder(workspace, fold, settings.stage2, "stage2")
    spec = translator_spec(fold, settings.stage2, settings.weights)
    trained = run_training(spec, folder, callback, device=settings.device)
    return evaluate_translator(settings, fold, test_clips, trained.model, name, references)


def _merged(parts: Sequence[PictureEvaluation], name: str) -> PictureEvaluation:
    rows = tuple(row for part in parts for row in part.rows)
    # a Frechet distance is of one model's pictures
    return replace(parts[0], judged_on=name, scores=picture_card(rows, {}), rows=rows)


def _scores_of(
    eval_window: EvalWindow, translator: TranslatorInference, lite0: Lite0, finder: Finder | None, features: Features
) -> list[TranslatorClipScores]:
    rows = []
    for system in SYSTEMS:
        made = system_crops(eval_window, system, translator)
        rows.append(
            TranslatorClipScores(
                eval_window.clip.clip_id, eval_window.clip.speaker, system, score(eval_window, made, lite0, finder)
            )
        )
        features.setdefault(system, []).append(heldout_features(lite0, eval_window, made))
    return rows


def _frechet(features: Features) -> dict[System, dict[str, float]]:
    """Return distances to the source's features: of frames, and of their changes from frame to frame."""

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
    """Open the face detector of the release's landmark backend; None, with the reason, if its weights are missing."""
    name = backend.partition("@")[0]
    try:
        opened = open_backend(settings.model_copy(update={"backend": name}))
    except WeightsMissingError as error:
        return None, {_FOUND: str(error)}
    return partial(find_landmarks, opened, settings.clips), {}
