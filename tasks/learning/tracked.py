"""A training with its run in MLflow: begun or taken up again, listened to, its model logged and registered."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from model.training.listening import Listener, Listeners
from schemas.cards import GeneratorCard, RivalCard, TranslatorCard
from schemas.reasons import Stage
from schemas.rivals import RivalName, RivalSettings
from schemas.settings import Settings
from schemas.training import Stage1Settings
from schemas.translation import Stage2Settings
from tasks.learning.folders import RUN, run_of, training_folder
from tasks.learning.rivals import paired, train_rival
from tasks.learning.selection import Candidate, Selection, candidates
from tasks.learning.stage1 import train_generator
from tasks.learning.stage2 import Tuning, train_translator
from tasks.learning.training import Trained
from tasks.stores.releases import Release
from tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from tasks.tracking.kinds import Kind
    from tasks.tracking.runs import Run

Row = tuple[str, str, str]
"""Clip, media and split, as a lineage has them."""

AnyTrained = Trained[GeneratorCard] | Trained[TranslatorCard] | Trained[RivalCard]


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
class _Course:
    """A training as its run has it. what: its name there. settings: of the model. kind: what it is registered as."""

    what: str
    selection: Selection
    stage: Stage
    settings: Stage1Settings | Stage2Settings | RivalSettings
    folder: Path
    kind: "Kind"


def train_and_register(
    workspace: Workspace, selection: Selection, settings: Settings, listener: Listener, fresh: bool = False
) -> Registered:
    """Train on the selection by `settings.stage1`; a training that was killed goes on in the run it had.

    Raises: TrackingError - MLflow cannot be reached when the run begins or the model is logged; what was trained is
    kept, and the same command goes on from there. Otherwise as train_generator.
    """
    from tasks.learning.pictures import Artist
    from tasks.tracking.kinds import LANDMARK_GENERATOR

    stage1 = settings.stage1
    folder = training_folder(workspace, selection, stage1)
    artist = Artist(workspace, selection.release, settings.guards, stage1.pace.film_every, stage1.pace.steps)
    course = _Course("stage1", selection, Stage.STAGE1, stage1, folder, LANDMARK_GENERATOR)

    def train(told: Listener) -> Trained[GeneratorCard]:
        return train_generator(selection, stage1, folder, told, artist, fresh, settings.device)

    return _tracked(workspace, settings, course, train, listener, fresh)


def train_and_register_translator(
    workspace: Workspace,
    selection: Selection,
    settings: Settings,
    listener: Listener,
    fresh: bool = False,
    tuning: Tuning | None = None,
) -> Registered:
    """Train a translator on the selection by `settings.stage2`, or fine-tune one, which is registered under a name of
    its own; otherwise as train_and_register.

    Raises: as train_and_register, and as train_translator.
    """
    from model.perception.opening import open_perception
    from tasks.learning.paintings import Easel
    from tasks.tracking.kinds import FINETUNED_TRANSLATOR, LANDMARK_TRANSLATOR

    stage2, weights = settings.stage2, settings.weights
    what = "stage2" if tuning is None else "finetune"
    folder = training_folder(workspace, selection, stage2, what if tuning is None else f"{what}-{tuning.weights[:12]}")
    easel = Easel(stage2.pace.film_every, stage2.pace.steps)
    kind = LANDMARK_TRANSLATOR if tuning is None else FINETUNED_TRANSLATOR
    course = _Course(what, selection, Stage.STAGE2, stage2, folder, kind)

    def note(run: "Run") -> Iterable[Row]:
        names = [one.name for one in open_perception(stage2.losses, weights)]
        told = {"perception": "; ".join(names) or "none", "tuned_on": ", ".join(tuning.clips) if tuning else "none"}
        if tuning is not None:
            told["chosen_by"] = "the end of the clip" if selection.val else "nothing: too short, so all steps are taken"
        run.params(told)
        return () if tuning is None else _learned_before(run, workspace, selection.release, tuning)

    def train(told: Listener) -> Trained[TranslatorCard]:
        return train_translator(selection, stage2, weights, folder, told, easel, fresh, tuning, settings.device)

    return _tracked(workspace, settings, course, train, listener, fresh, note)


def train_and_register_rival(
    name: RivalName,
    workspace: Workspace,
    selection: Selection,
    settings: Settings,
    listener: Listener,
    fresh: bool = False,
) -> Registered:
    """Train a rival by `settings.rivals` on those clips of a stage-2 selection that are good for both stages, and
    register it under its own name; otherwise as train_and_register.

    Raises: as train_and_register, and as paired and train_rival.
    """
    from tasks.learning.paintings import RivalEasel
    from tasks.tracking.kinds import RIVAL_KINDS

    rivals, pairs = settings.rivals, paired(workspace, selection)
    folder = training_folder(workspace, pairs, rivals, name)
    easel = RivalEasel(rivals.pace.film_every, rivals.pace.steps)
    course = _Course(name, pairs, Stage.STAGE2, rivals, folder, RIVAL_KINDS[name])

    def note(run: "Run") -> Iterable[Row]:
        run.params({"rival": name})
        return ()

    def train(told: Listener) -> Trained[RivalCard]:
        return train_rival(name, pairs, rivals, settings.weights, folder, told, easel, fresh, settings.device)

    return _tracked(workspace, settings, course, train, listener, fresh, note)


def _tracked(
    workspace: Workspace,
    settings: Settings,
    course: _Course,
    train: Callable[[Listener], AnyTrained],
    listener: Listener,
    fresh: bool,
    note: Callable[["Run"], Iterable[Row]] = lambda run: (),
) -> Registered:
    """Train in a run, begun or taken up again, and register what comes of it.

    note: keeps what else there is to know in the run that has begun, and says what had been learned from already.
    """
    from tasks.tracking.listener import TrackedTraining
    from tasks.tracking.models import log_model
    from tasks.tracking.runs import tracked_run
    from tasks.tracking.store import open_tracking

    resume = None if fresh else run_of(course.folder)
    tracking, name = open_tracking(settings.tracking, workspace), f"{course.what} {course.selection.release.release_id}"
    with tracked_run(tracking, name, resume) as run:
        run.origin(course.settings, course.settings.seed)
        _keep_identity(run, workspace, course, note(run))
        trained = train(Listeners(listener, TrackedTraining(run), _Keeper(course.folder, run.run_id)))
        gain = {"gain": trained.card.gain} if isinstance(trained.card, GeneratorCard) else {}
        run.metrics({**gain, "parameters": float(trained.parameters)}, trained.fitted.step)
        version = log_model(run, trained.model, course.kind)
        return Registered(trained, run.run_id, version.name, version.number)


def _keep_identity(run: "Run", workspace: Workspace, course: _Course, before: Iterable[Row]) -> None:
    """Keep what the training learns from, and by which a later run knows that it was done. before: what had been
    learned from already.
    """
    from tasks.tracking.asking import SETTINGS, TRAINING
    from tasks.tracking.lineage import keep_lineage

    selection = course.selection
    run.data(workspace, selection.release, course.stage)
    keep_lineage(run, dict.fromkeys([*_learned_from((*selection.train, *selection.val)), *before]))
    run.tags({TRAINING: course.folder.name, SETTINGS: settings_hash(course.settings)})


def settings_hash(settings: BaseModel) -> str:
    """Identity of a training's settings: 12 hex digits."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]


def _learned_from(clips: Iterable[Candidate]) -> list[Row]:
    return [(clip.facts.clip_id, clip.place.media_id, clip.split) for clip in clips]


def _learned_before(run: "Run", workspace: Workspace, release: Release, tuning: Tuning) -> list[Row]:
    """What the translator had learned from that is adapted: it is in the weights still. Where that is not known, the
    release, as for every version without a lineage.
    """
    from tasks.tracking.kinds import FINETUNED_TRANSLATOR, LANDMARK_TRANSLATOR
    from tasks.tracking.lineage import lineage_of_weights

    kinds = LANDMARK_TRANSLATOR, FINETUNED_TRANSLATOR
    known = next(filter(None, (lineage_of_weights(run.tracking, kind, tuning.weights) for kind in kinds)), None)
    if known is not None:
        return [(row["clip_id"], row["media_id"], row["split"]) for row in known]
    return _learned_from(clip for clip in candidates(workspace, release, Stage.STAGE2) if clip.split != "test")


class _Keeper(Listeners):
    """Writes down which run a training belongs to, as soon as it has a folder."""

    def __init__(self, folder: Path, run_id: str) -> None:
        super().__init__()
        self._folder, self._run_id = folder, run_id

    def started(self, first_step: int, steps: int) -> None:
        """Training begins, so its folder is there and an earlier one is forgotten."""
        (self._folder / RUN).write_text(json.dumps({"run_id": self._run_id}) + "\n")
