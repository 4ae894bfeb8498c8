"""A training with its run in MLflow: begun or taken up again, listened to, its model logged and registered."""

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
    """A finished training and the version of the registered model that came of it."""

    trained: AnyTrained
    run_id: str
    model: str
    version: int

    def summary(self) -> dict[str, Any]:
        """What a person wants to know, ready for JSON."""
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
    """A training as its run has it. what: its name there. settings: of the model. kind: what it is registered as."""

    what: str
    selection: Selection
    stage: Stage
    settings: Stage1Settings | Stage2Settings | BaselineSettings
    folder: Path
    kind: "ModelKind"


def train_and_register(
    workspace: Workspace, selection: Selection, settings: Settings, listener: Callback, fresh: bool = False
) -> Registered:
    """Train on the selection by `settings.stage1`; a training that was killed goes on in the run it had.

    Raises: TrackingError - MLflow cannot be reached when the run begins or the model is logged; what was trained is
    kept, and the same command goes on from there. Otherwise as train_generator.
    """
    from tasks.tracking.kinds import LANDMARK_GENERATOR
    from tasks.training.generator_samples import SampleLogger

    stage1 = settings.stage1
    folder = training_folder(workspace, selection, stage1)
    artist = SampleLogger(
        workspace, selection.release, settings.guards, stage1.schedule.sample_interval, stage1.schedule.max_steps
    )
    course = _TrackedTraining("stage1", selection, Stage.STAGE1, stage1, folder, LANDMARK_GENERATOR)

    def train(told: Callback) -> TrainingResult[GeneratorCard]:
        return train_generator(selection, stage1, folder, told, artist, fresh, settings.device)

    return _tracked(workspace, settings, course, train, listener, fresh)


def train_and_register_translator(
    workspace: Workspace,
    selection: Selection,
    settings: Settings,
    listener: Callback,
    fresh: bool = False,
    finetuning: Finetuning | None = None,
) -> Registered:
    """Train a translator on the selection by `settings.stage2`, or fine-tune one, which is registered under a name of
    its own; otherwise as train_and_register.

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
    course = _TrackedTraining(what, selection, Stage.STAGE2, stage2, folder, kind)

    def note(run: "TrackedRun") -> Iterable[Row]:
        names = [one.name for one in open_perception(stage2.losses, weights)]
        told = {
            "perception": "; ".join(names) or "none",
            "tuned_on": ", ".join(finetuning.clips) if finetuning else "none",
        }
        if finetuning is not None:
            told["chosen_by"] = "the end of the clip" if selection.val else "nothing: too short, so all steps are taken"
        run.params(told)
        return () if finetuning is None else _learned_before(run, workspace, selection.release, finetuning)

    def train(told: Callback) -> TrainingResult[TranslatorCard]:
        return train_translator(
            selection, stage2, weights, folder, told, sample_logger, fresh, finetuning, settings.device
        )

    return _tracked(workspace, settings, course, train, listener, fresh, note)


def train_and_register_baseline(
    name: BaselineName,
    workspace: Workspace,
    selection: Selection,
    settings: Settings,
    listener: Callback,
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
    course = _TrackedTraining(name, pairs, Stage.STAGE2, baselines, folder, BASELINE_KINDS[name])

    def note(run: "TrackedRun") -> Iterable[Row]:
        run.params({"baseline": name})
        return ()

    def train(told: Callback) -> TrainingResult[BaselineCard]:
        return train_baseline(
            name, pairs, baselines, settings.weights, folder, told, sample_logger, fresh, settings.device
        )

    return _tracked(workspace, settings, course, train, listener, fresh, note)


def _tracked(
    workspace: Workspace,
    settings: Settings,
    course: _TrackedTraining,
    train: Callable[[Callback], AnyTrained],
    listener: Callback,
    fresh: bool,
    note: Callable[["TrackedRun"], Iterable[Row]] = lambda run: (),
) -> Registered:
    """Train in a run, begun or taken up again, and register what comes of it.

    note: keeps what else there is to know in the run that has begun, and says what had been learned from already.
    """
    from tasks.tracking.metric_logger import TrackedTraining
    from tasks.tracking.models import log_model
    from tasks.tracking.runs import tracked_run
    from tasks.tracking.store import open_tracking

    resume = None if fresh else run_of(course.folder)
    tracking, name = open_tracking(settings.tracking, workspace), f"{course.what} {course.selection.release.release_id}"
    with tracked_run(tracking, name, resume) as run:
        run.origin(course.settings, course.settings.seed)
        _keep_identity(run, workspace, course, note(run))
        trained = train(Callbacks(listener, TrackedTraining(run), _Keeper(course.folder, run.run_id)))
        gain = {"gain": trained.card.gain} if isinstance(trained.card, GeneratorCard) else {}
        run.metrics({**gain, "parameters": float(trained.parameters)}, trained.fitted.step)
        version = log_model(run, trained.model, course.kind)
        return Registered(trained, run.run_id, version.name, version.number)


def _keep_identity(run: "TrackedRun", workspace: Workspace, course: _TrackedTraining, before: Iterable[Row]) -> None:
    """Keep what the training learns from, and by which a later run knows that it was done. before: what had been
    learned from already.
    """
    from tasks.tracking.lineage import keep_lineage
    from tasks.tracking.queries import SETTINGS, TRAINING

    selection = course.selection
    run.data(workspace, selection.release, course.stage)
    keep_lineage(run, dict.fromkeys([*_learned_from((*selection.train, *selection.val)), *before]))
    run.tags({TRAINING: course.folder.name, SETTINGS: settings_hash(course.settings)})


def settings_hash(settings: BaseModel) -> str:
    """Identity of a training's settings: 12 hex digits."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]


def _learned_from(clips: Iterable[ClipRef]) -> list[Row]:
    return [(clip.facts.clip_id, clip.place.media_id, clip.split) for clip in clips]


def _learned_before(run: "TrackedRun", workspace: Workspace, release: Release, finetuning: Finetuning) -> list[Row]:
    """What the translator had learned from that is adapted: it is in the weights still. Where that is not known, the
    release, as for every version without a lineage.
    """
    from tasks.tracking.kinds import FINETUNED_TRANSLATOR, LANDMARK_TRANSLATOR
    from tasks.tracking.lineage import lineage_of_weights

    kinds = LANDMARK_TRANSLATOR, FINETUNED_TRANSLATOR
    known = next(filter(None, (lineage_of_weights(run.tracking, kind, finetuning.weights) for kind in kinds)), None)
    if known is not None:
        return [(row["clip_id"], row["media_id"], row["split"]) for row in known]
    return _learned_from(clip for clip in candidates(workspace, release, Stage.STAGE2) if clip.split != "test")


class _Keeper(Callbacks):
    """Writes down which run a training belongs to, as soon as it has a folder."""

    def __init__(self, folder: Path, run_id: str) -> None:
        super().__init__()
        self._folder, self._run_id = folder, run_id

    def started(self, first_step: int, steps: int) -> None:
        """Training begins, so its folder is there and an earlier one is forgotten."""
        (self._folder / RUN).write_text(json.dumps({"run_id": self._run_id}) + "\n")
