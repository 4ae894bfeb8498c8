"""Trainings with an MLflow run: started or resumed, with metrics, and the model logged and registered."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from model.training.callbacks import Callback, Callbacks
from schemas.cards import BaselineCard, GeneratorCard, TranslatorCard
from schemas.config.baselines import BaselineName, BaselineSettings
from schemas.config.settings import Settings
from schemas.config.training import Stage1Settings
from schemas.config.translation import Stage2Settings
from schemas.reasons import Stage
from tasks.releases.releases import Release
from tasks.stores.workspace import Workspace
from tasks.training.baselines import paired, train_baseline
from tasks.training.clip_selection import ClipRef, Selection, candidates
from tasks.training.common import TrainingResult
from tasks.training.run_dirs import RUN, run_of, training_folder
from tasks.training.stage1 import train_generator
from tasks.training.stage2 import Finetuning, train_translator

if TYPE_CHECKING:
    from tasks.tracking.kinds import ModelKind
    from tasks.tracking.runs import TrackedRun

Row = tuple[str, str, str]
"""Clip, media and split, as a lineage has them."""

AnyTrained = TrainingResult[GeneratorCard] | TrainingResult[TranslatorCard] | TrainingResult[BaselineCard]


@dataclass(frozen=True, slots=True)
class Registered:
    """A finished training and the version of the registered model that it produced."""

    trained: AnyTrained
    run_id: str
    model: str
    version: int

    def summary(self) -> dict[str, Any]:
        """Return the summary for users, ready for JSON."""
        return {
            "release": self.trained.card.release,
            "run": self.run_id,
            "model": self.model,
            "version": self.version,
            "folder": str(self.trained.model),
            "parameters": self.trained.parameters,
            **({"gain": self.trained.card.gain} if isinstance(self.trained.card, GeneratorCard) else {}),
            **asdict(self.trained.fitted),
        }


@dataclass(frozen=True, slots=True)
class _TrackedTraining:
    """A training and its run. what: its name in the run. settings: of the model. kind: of the registered model."""

    what: str
    selection: Selection
    stage: Stage
    settings: Stage1Settings | Stage2Settings | BaselineSettings
    folder: Path
    kind: "ModelKind"


def train_and_register(
    workspace: Workspace, selection: Selection, settings: Settings, callback: Callback, fresh: bool = False
) -> Registered:
    """Train on the selection by `settings.stage1`; a killed training resumes in its run.

    Raises: TrackingError - MLflow cannot be reached when the run begins or the model is logged; the training is kept,
    and the same command resumes it. Otherwise as train_generator.
    """
    from tasks.tracking.kinds import LANDMARK_GENERATOR
    from tasks.training.generator_samples import SampleLogger

    stage1 = settings.stage1
    folder = training_folder(workspace, selection, stage1)
    sample_logger = SampleLogger(
        workspace, selection.release, settings.limits, stage1.schedule.sample_interval, stage1.schedule.max_steps
    )
    training = _TrackedTraining("stage1", selection, Stage.STAGE1, stage1, folder, LANDMARK_GENERATOR)

    def train(callbacks: Callback) -> TrainingResult[GeneratorCard]:
        return train_generator(selection, stage1, folder, callbacks, sample_logger, fresh, settings.device)

    return _tracked(workspace, settings, training, train, callback, fresh)


def train_and_register_translator(
    workspace: Workspace,
    selection: Selection,
    settings: Settings,
    callback: Callback,
    fresh: bool = False,
    finetuning: Finetuning | None = None,
) -> Registered:
    """Train a translator on the selection by `settings.stage2`, or fine-tune one, which is registered under its own
    name; otherwise as train_and_register.

    Raises: as train_and_register, and as train_translator.
    """
    from model.perceptual.opening import open_perception
    from tasks.tracking.kinds import FINETUNED_TRANSLATOR, LANDMARK_TRANSLATOR
    from tasks.training.translator_samples import TranslatorSampleLogger

    stage2, weights = settings.stage2, settings.weights
    what = "stage2" if finetuning is None else "finetune"
    folder = training_folder(
        workspace, selection, stage2, what if finetuning is None else f"{what}-{finetuning.weights[:12]}"
    )
    sample_logger = TranslatorSampleLogger(stage2.schedule.sample_interval, stage2.schedule.max_steps)
    kind = LANDMARK_TRANSLATOR if finetuning is None else FINETUNED_TRANSLATOR
    training = _TrackedTraining(what, selection, Stage.STAGE2, stage2, folder, kind)

    def note(run: "TrackedRun") -> Iterable[Row]:
        names = [one.name for one in open_perception(stage2.losses, weights)]
        params = {
            "perception": "; ".join(names) or "none",
            "tuned_on": ", ".join(finetuning.clips) if finetuning else "none",
        }
        if finetuning is not None:
            chosen_by = "the end of the clip" if selection.val else "nothing: too short, so all steps are taken"
            params["chosen_by"] = chosen_by
        run.params(params)
        return () if finetuning is None else _learned_before(run, workspace, selection.release, finetuning)

    def train(callbacks: Callback) -> TrainingResult[TranslatorCard]:
        return train_translator(
            selection, stage2, weights, folder, callbacks, sample_logger, fresh, finetuning, settings.device
        )

    return _tracked(workspace, settings, training, train, callback, fresh, note)


def train_and_register_baseline(
    name: BaselineName,
    workspace: Workspace,
    selection: Selection,
    settings: Settings,
    callback: Callback,
    fresh: bool = False,
) -> Registered:
    """Train a baseline by `settings.baselines` on those clips of a stage-2 selection that are good for both stages, and
    register it under its own name; otherwise as train_and_register.

    Raises: as train_and_register, and as paired and train_baseline.
    """
    from tasks.tracking.kinds import BASELINE_KINDS
    from tasks.training.translator_samples import BaselineSampleLogger

    baselines, pairs = settings.baselines, paired(workspace, selection)
    folder = training_folder(workspace, pairs, baselines, name)
    sample_logger = BaselineSampleLogger(baselines.schedule.sample_interval, baselines.schedule.max_steps)
    training = _TrackedTraining(name, pairs, Stage.STAGE2, baselines, folder, BASELINE_KINDS[name])

    def note(run: "TrackedRun") -> Iterable[Row]:
        run.params({"baseline": name})
        return ()

    def train(callbacks: Callback) -> TrainingResult[BaselineCard]:
        return train_baseline(
            name, pairs, baselines, settings.weights, folder, callbacks, sample_logger, fresh, settings.device
        )

    return _tracked(workspace, settings, training, train, callback, fresh, note)


def _tracked(
    workspace: Workspace,
    settings: Settings,
    training: _TrackedTraining,
    train: Callable[[Callback], AnyTrained],
    callback: Callback,
    fresh: bool,
    note: Callable[["TrackedRun"], Iterable[Row]] = lambda run: (),
) -> Registered:
    """Train in a new or resumed run, and register the model.

    note: logs further facts to the run, and returns the clips that the model had been trained on before.
    """
    from tasks.tracking.metric_logger import TrackedTraining
    from tasks.tracking.models import log_model
    from tasks.tracking.runs import tracked_run
    from tasks.tracking.store import open_tracking

    resume = None if fresh else run_of(training.folder)
    tracking, name = (
        open_tracking(settings.tracking, workspace),
        f"{training.what} {training.selection.release.release_id}",
    )
    with tracked_run(tracking, name, resume) as run:
        run.origin(training.settings, training.settings.seed)
        _keep_identity(run, workspace, training, note(run))
        trained = train(Callbacks(callback, TrackedTraining(run), _RunRecorder(training.folder, run.run_id)))
        gain = {"gain": trained.card.gain} if isinstance(trained.card, GeneratorCard) else {}
        run.metrics({**gain, "parameters": float(trained.parameters)}, trained.fitted.step)
        version = log_model(run, trained.model, training.kind)
        return Registered(trained, run.run_id, version.name, version.number)


def _keep_identity(run: "TrackedRun", workspace: Workspace, training: _TrackedTraining, before: Iterable[Row]) -> None:
    """Log the lineage and identity of a training, by which a later run recognises it. before: clips that the model had
    been trained on already.
    """
    from tasks.tracking.lineage import keep_lineage
    from tasks.tracking.queries import SETTINGS, TRAINING

    selection = training.selection
    run.data(workspace, selection.release, training.stage)
    keep_lineage(run, dict.fromkeys([*_learned_from((*selection.train, *selection.val)), *before]))
    run.tags({TRAINING: training.folder.name, SETTINGS: settings_hash(training.settings)})


def settings_hash(settings: BaseModel) -> str:
    """Return the hash of a training's settings: 12 hex digits."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]


def _learned_from(clips: Iterable[ClipRef]) -> list[Row]:
    return [(clip.facts.clip_id, clip.place.media_id, clip.split) for clip in clips]


def _learned_before(run: "TrackedRun", workspace: Workspace, release: Release, finetuning: Finetuning) -> list[Row]:
    """Return the training clips of the translator that is fine-tuned, which remain in its lineage. Where they are
    unknown, the release's, as for every version without a lineage.
    """
    from tasks.tracking.kinds import FINETUNED_TRANSLATOR, LANDMARK_TRANSLATOR
    from tasks.tracking.lineage import lineage_of_weights

    kinds = LANDMARK_TRANSLATOR, FINETUNED_TRANSLATOR
    known = next(filter(None, (lineage_of_weights(run.tracking, kind, finetuning.weights) for kind in kinds)), None)
    if known is not None:
        return [(row["clip_id"], row["media_id"], row["split"]) for row in known]
    return _learned_from(clip for clip in candidates(workspace, release, Stage.STAGE2) if clip.split != "test")


class _RunRecorder(Callbacks):
    """Records the run of a training in its folder, once that exists."""

    def __init__(self, folder: Path, run_id: str) -> None:
        super().__init__()
        self._folder, self._run_id = folder, run_id

    def started(self, first_step: int, steps: int) -> None:
        """Write the run's id: the folder now exists, and an earlier one is deleted."""
        (self._folder / RUN).write_text(json.dumps({"run_id": self._run_id}) + "\n")
