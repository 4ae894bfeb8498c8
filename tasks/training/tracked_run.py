"""Trainings with an MLflow run: started or resumed, with metrics, and the model logged and registered."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from heterodub.model.training.callbacks import Callback, CallbackList
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.clip_selection import ClipRef, Selection, candidates
from heterodub.tasks.training.run import AnyCard, TrainingResult, TrainingSpec, run_training
from heterodub.tasks.training.run_dirs import RUN, run_of, training_folder

if TYPE_CHECKING:
    from heterodub.tasks.tracking.models import Version
    from heterodub.tasks.tracking.runs import TrackedRun

Row = tuple[str, str, str]
"""Clip, media and split, as a lineage has them."""

AnySpec = TrainingSpec[AnyCard]
AnyResult = TrainingResult[AnyCard]


@dataclass(frozen=True, slots=True)
class Registered:
    """A finished training and the version of the registered model that it produced."""

    trained: AnyResult
    run_id: str
    version: "Version"

    def summary(self) -> dict[str, Any]:
        """Return the summary for users, ready for JSON."""
        return {
            "release": self.trained.card.release,
            "run": self.run_id,
            "model": self.version.name,
            "version": self.version.number,
            "folder": str(self.trained.model),
            "parameters": self.trained.parameters,
            **_gain(self.trained),
            **asdict(self.trained.fitted),
        }


def train_and_register(spec: AnySpec, settings: Settings, callback: Callback, fresh: bool = False) -> Registered:
    """Train by a spec whose clips are a Selection, in a new or resumed run, and register the model.

    Raises: TrackingError - MLflow cannot be reached when the run begins or the model is logged; the training is kept,
    and the same command resumes it. Otherwise as run_training.
    """
    from heterodub.tasks.tracking.kinds import KINDS
    from heterodub.tasks.tracking.metric_logger import TrackedTraining
    from heterodub.tasks.tracking.models import log_model
    from heterodub.tasks.tracking.runs import tracked_run
    from heterodub.tasks.tracking.store import open_tracking
    from heterodub.tasks.tracking.system_metrics import system_metrics

    assert isinstance(spec.clips, Selection)
    prefix = spec.name if spec.tuned_from is None else f"{spec.name}-{spec.tuned_from[:12]}"
    folder = training_folder(spec.clips, spec.settings, prefix)
    tracking, resume = open_tracking(settings.tracking, spec.clips.workspace), None if fresh else run_of(folder)
    with tracked_run(tracking, _run_name(spec), resume) as run:
        _log_identity(run, spec, spec.clips, folder)
        callbacks = CallbackList(callback, TrackedTraining(run), _RunRecorder(folder, run.run_id))
        with system_metrics(run, settings.tracking.system_metrics):
            trained = run_training(spec, folder, callbacks, fresh, settings.device)
        run.metrics({**_gain(trained), "parameters": float(trained.parameters)}, trained.fitted.step)
        version = log_model(run, trained.model, KINDS[spec.model])
        _link_scores(run, version.model_id, trained.fitted.best_step, spec)
        return Registered(trained, run.run_id, version)


def _link_scores(run: "TrackedRun", model_id: str | None, best_step: int, spec: AnySpec) -> None:
    """Log the validation scores of the weights that were kept once more, as scores of the model on the val split."""
    from heterodub.tasks.tracking.runs import InputData, release_input

    assert isinstance(spec.clips, Selection)
    data = InputData(release_input(spec.clips.workspace, spec.clips.release, spec.stage, "val"), "val")
    run.metrics(run.at_step("val/", best_step), best_step, model_id, data)


def _run_name(spec: AnySpec) -> str:
    """Return the name of the run in MLflow, such as "stage1 tiny, 60 steps, 20261129-abc"."""
    assert isinstance(spec.clips, Selection)
    return f"{spec.name} {spec.settings.preset}, {spec.settings.schedule.max_steps} steps, {spec.clips.release_id}"


def _gain(trained: AnyResult) -> dict[str, float]:
    return {"gain": trained.card.gain} if isinstance(trained.card, GeneratorCard) else {}


def _log_identity(run: "TrackedRun", spec: AnySpec, selection: Selection, folder: Path) -> None:
    """Log parameters, lineage and the identity of a training, by which a later run recognises it."""
    from heterodub.tasks.tracking.lineage import keep_lineage
    from heterodub.tasks.tracking.registry import SETTINGS, TRAINING

    run.origin(spec.settings, spec.settings.seed)
    run.params(dict(spec.params()))
    run.data(selection.workspace, selection.release, spec.stage)
    before = [] if spec.tuned_from is None else _learned_before(run, selection, spec.tuned_from)
    keep_lineage(run, dict.fromkeys([*_rows((*selection.train, *selection.val)), *before]))
    run.tags({TRAINING: folder.name, SETTINGS: settings_hash(spec.settings)})


def settings_hash(settings: BaseModel) -> str:
    """Return the hash of a training's settings: 12 hex digits."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]


def _rows(clips: Iterable[ClipRef]) -> list[Row]:
    return [(clip.facts.clip_id, clip.place.media_id, clip.split) for clip in clips]


def _learned_before(run: "TrackedRun", selection: Selection, weights: str) -> list[Row]:
    """Return the training clips of the translator that is fine-tuned, which remain in its lineage. Where they are
    unknown, the release's, as for every version without a lineage. weights: their sha256.
    """
    from heterodub.tasks.tracking.kinds import FINETUNED_TRANSLATOR, LANDMARK_TRANSLATOR
    from heterodub.tasks.tracking.lineage import lineage_of_weights

    kinds = LANDMARK_TRANSLATOR, FINETUNED_TRANSLATOR
    lineage = next(filter(None, (lineage_of_weights(run.tracking, kind, weights) for kind in kinds)), None)
    if lineage is not None:
        return [(row["clip_id"], row["media_id"], row["split"]) for row in lineage]
    clips = candidates(selection.workspace, selection.release, Stage.STAGE2)
    return _rows(clip for clip in clips if clip.split != "test")


class _RunRecorder(Callback):
    """Records the run of a training in its folder, once that exists."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self._folder, self._run_id = folder, run_id

    def on_train_start(self, first_step: int, steps: int) -> None:
        """Write the run's id: the folder now exists, and an earlier one is deleted."""
        (self._folder / RUN).write_text(json.dumps({"run_id": self._run_id}) + "\n")
