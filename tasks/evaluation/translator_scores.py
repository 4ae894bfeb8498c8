"""Evaluation of a translator on held-out clips beside trivial controls (stage 2)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.evaluation.frechet import frechet_distance
from heterodub.model.evaluation.image_scores import (
    NOT_MEASURED,
    TRANSLATOR_REPORT,
    clip_scores,
    heldout_features,
)
from heterodub.model.evaluation.translator import SYSTEMS, Finder, System, system_crops
from heterodub.model.io import load_translator
from heterodub.model.perceptual import Lite0
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import TrainingError, WeightsMissingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Evaluation, require_evaluable
from heterodub.tasks.faces.backend import open_backend
from heterodub.tasks.faces.tracker import find_landmarks
from heterodub.tasks.releases.strata import clip_strata
from heterodub.tasks.training.clip_selection import ClipRef, Selection, few_a_speaker
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.validation import read_eval_windows

MOST_FRAMES: Final = 40
"""Consecutive frames that are scored of each clip, from its middle."""

_FOUND: Final = "landmarks found again"

Features = dict[System, list[dict[str, NDArray[np.float32]]]]


def evaluate_translator(
    settings: Settings,
    selection: Selection,
    test_clips: Sequence[ClipRef],
    model: Path,
    evaluated_on: str,
    references: int,
) -> Evaluation:
    """Score the translator in a folder on clips, beside trivial controls. evaluated_on: name of the clips, in words.

    Raises: as require_evaluable. ModelFileError - the translator cannot be read. TrainingError - all clips are too
    short.
    """
    device = device_of(settings.device)
    translator, card = load_translator(model, device)
    release = selection.release
    require_evaluable(selection, card.backend, test_clips, Stage.STAGE2, evaluated_on)
    lite0, (find, missing) = Lite0().to(device), finder(settings, release.backend)
    inference, rows, features = TranslatorInference(translator), [], Features()
    for clip in few_a_speaker(test_clips):
        for eval_window in read_eval_windows(
            selection, [clip], card.architecture.side_px, references, MOST_FRAMES, strict=False
        ):
            for system in SYSTEMS:
                crops = system_crops(eval_window, system, inference)
                rows.append(clip_scores(eval_window, system, crops, lite0, find))
                features.setdefault(system, []).append(heldout_features(lite0, eval_window, crops))
    if not rows:
        raise TrainingError(f"no clip in {evaluated_on} has more tracked frames than the {references} references")
    return Evaluation(
        TRANSLATOR_REPORT,
        Stage.STAGE2,
        release.release_id,
        evaluated_on,
        references,
        str(model),
        tuple(rows),
        {"steps": card.steps, "tuned_on": list(card.tuned_on), "not_measured": NOT_MEASURED | missing},
        _frechet(features),
        strata=clip_strata(selection.workspace, release, {row.clip_id for row in rows}),
    )


def _frechet(features: Features) -> dict[str, dict[str, float]]:
    """Return distances to the true features: of frames, and of their changes from frame to frame."""
    sets = {
        system: {name: np.concatenate([part[name] for part in parts]) for name in ("frames", "motion")}
        for system, parts in features.items()
    }
    true = sets.pop("ground truth")
    return {
        system: {name: frechet_distance(generated[name], true[name]) for name in generated if len(true[name]) > 1}
        for system, generated in sets.items()
    }


def finder(settings: Settings, backend: str) -> tuple[Finder | None, dict[str, str]]:
    """Open the face detector of the release's landmark backend; None, with the reason, if its weights are missing."""
    name = backend.partition("@")[0]
    try:
        opened = open_backend(settings.model_copy(update={"backend": name}))
    except WeightsMissingError as error:
        return None, {_FOUND: str(error)}
    return partial(find_landmarks, opened, settings.clips), {}
