"""A training with its run in MLflow: begun or taken up again, listened to, its model logged and registered."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from model.training.listening import Listener, Listeners
from schemas.reasons import Stage
from schemas.rivals import RivalName
from schemas.settings import Settings
from tasks.learning.rivals import TrainedRival, paired, train_rival
from tasks.learning.selection import Candidate, Selection, candidates
from tasks.learning.stage1 import Trained, train_generator, training_folder
from tasks.learning.stage2 import TrainedTranslator, Tuning, train_translator
from tasks.stores.releases import Release
from tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from tasks.tracking.runs import Run

Row = tuple[str, str, str]
"""Clip, media and split, as a lineage has them."""

_RUN: Final = "run.json"
"""File in a training's folder that names its run, so that a continued training continues its curves."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A finished training and the version of the registered model that came of it."""

    trained: Trained | TrainedTranslator | TrainedRival
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
            **({"gain": self.trained.card.gain} if isinstance(self.trained, Trained) else {}),
            **asdict(self.trained.fitted),
        }


def train_and_register(
    workspace: Workspace, selection: Selection, settings: Settings, listener: Listener, fresh: bool = False
) -> Registered:
    """Train on the selection by `settings.stage1`; a training that was killed goes on in the run it had.

    Raises: TrackingError - MLflow cannot be reached when the run begins or the model is logged; what was trained is
    kept, and the same command goes on from there. Otherwise as train_generator.
    """
    from tasks.learning.pictures import Artist
    from tasks.tracking.listener import TrackedTraining
    from tasks.tracking.models import log_generator
    from tasks.tracking.runs import tracked_run
    from tasks.tracking.store import open_tracking

    stage1, release = settings.stage1, selection.release
    folder = training_folder(workspace, selection, stage1)
    resume = None if fresh else run_of(folder)
    with tracked_run(open_tracking(settings.tracking, workspace), f"stage1 {release.release_id}", resume) as run:
        run.origin(stage1, stage1.seed)
        _keep_identity(run, workspace, selection, Stage.STAGE1, folder, stage1)
        both = Listeners(listener, TrackedTraining(run), _Keeper(folder, run.run_id))
        pace = stage1.pace
        artist = Artist(workspace, release, settings.guards, pace.film_every, pace.steps)
        trained = train_generator(selection, stage1, folder, both, artist, fresh)
        run.metrics({"gain": trained.card.gain, "parameters": float(trained.parameters)}, trained.fitted.step)
        version = log_generator(run, trained.model)
        return Registered(trained, run.run_id, version.name, version.number)


def train_and_register_translator(
    workspace: Workspace,
    selection: Selection,
    settings: Settings,
    listener: Listener,
    fresh: bool = False,
    tuning: Tuning | None = None,
) -> Registered:
    """Train a translator on the selection by `settings.stage2`, or fine-tune one; otherwise as train_and_register.

    Raises: as train_and_register, and as train_translator.
    """
    from model.perception.opening import open_perception
    from tasks.learning.paintings import Easel
    from tasks.tracking.kinds import LANDMARK_TRANSLATOR
    from tasks.tracking.listener import TrackedTraining
    from tasks.tracking.models import log_model
    from tasks.tracking.runs import tracked_run
    from tasks.tracking.store import open_tracking

    stage2, release, weights = settings.stage2, selection.release, settings.weights
    what = "stage2" if tuning is None else "finetune"
    folder = training_folder(workspace, selection, stage2, what if tuning is None else f"{what}-{tuning.weights[:12]}")
    resume = None if fresh else run_of(folder)
    with tracked_run(open_tracking(settings.tracking, workspace), f"{what} {release.release_id}", resume) as run:
        run.origin(stage2, stage2.seed)
        names = [one.name for one in open_perception(stage2.losses, weights)]
        run.params(
            {"perception": "; ".join(names) or "none", "tuned_on": ", ".join(tuning.clips) if tuning else "none"}
        )
        before = () if tuning is None else _learned_before(run, workspace, release, tuning)
        _keep_identity(run, workspace, selection, Stage.STAGE2, folder, stage2, before)
        both = Listeners(listener, TrackedTraining(run), _Keeper(folder, run.run_id))
        easel = Easel(stage2.pace.film_every, stage2.pace.steps)
        trained = train_translator(selection, stage2, weights, folder, both, easel, fresh, tuning)
        run.metrics({"parameters": float(trained.parameters)}, trained.fitted.step)
        version = log_model(run, trained.model, LANDMARK_TRANSLATOR)
        return Registered(trained, run.run_id, version.name, version.number)


def settings_hash(settings: BaseModel) -> str:
    """Identity of a training's settings: 12 hex digits."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]


def _keep_identity(
    run: "Run",
    workspace: Workspace,
    selection: Selection,
    stage: Stage,
    folder: Path,
    settings: BaseModel,
    before: Iterable[Row] = (),
) -> None:
    """Keep what the training learns from, and by which a later run knows that it was done. before: what had been
    learned from already.
    """
    from tasks.tracking.asking import SETTINGS, TRAINING
    from tasks.tracking.lineage import keep_lineage

    run.data(workspace, selection.release, stage)
    keep_lineage(run, dict.fromkeys([*_learned_from((*selection.train, *selection.val)), *before]))
    run.tags({TRAINING: folder.name, SETTINGS: settings_hash(settings)})


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
    from tasks.tracking.listener import TrackedTraining
    from tasks.tracking.models import log_model
    from tasks.tracking.runs import tracked_run
    from tasks.tracking.store import open_tracking

    rivals, release, pairs = settings.rivals, selection.release, paired(workspace, selection)
    folder = training_folder(workspace, pairs, rivals, name)
    resume = None if fresh else run_of(folder)
    with tracked_run(open_tracking(settings.tracking, workspace), f"{name} {release.release_id}", resume) as run:
        run.origin(rivals, rivals.seed)
        run.params({"rival": name})
        _keep_identity(run, workspace, pairs, Stage.STAGE2, folder, rivals)
        both = Listeners(listener, TrackedTraining(run), _Keeper(folder, run.run_id))
        easel = RivalEasel(rivals.pace.film_every, rivals.pace.steps)
        trained = train_rival(name, pairs, rivals, settings.weights, folder, both, easel, fresh)
        run.metrics({"parameters": float(trained.parameters)}, trained.fitted.step)
        version = log_model(run, trained.model, RIVAL_KINDS[name])
        return Registered(trained, run.run_id, version.name, version.number)


def _learned_from(clips: Iterable[Candidate]) -> list[Row]:
    return [(clip.facts.clip_id, clip.place.media_id, clip.split) for clip in clips]


def _learned_before(run: "Run", workspace: Workspace, release: Release, tuning: Tuning) -> list[Row]:
    """What the translator had learned from that is adapted: it is in the weights still. Where that is not known, the
    release, as for every version without a lineage.
    """
    from tasks.tracking.kinds import LANDMARK_TRANSLATOR
    from tasks.tracking.lineage import lineage_of_weights

    known = lineage_of_weights(run.tracking, LANDMARK_TRANSLATOR, tuning.weights)
    if known is not None:
        return [(row["clip_id"], row["media_id"], row["split"]) for row in known]
    return _learned_from(clip for clip in candidates(workspace, release, Stage.STAGE2) if clip.split != "test")


def run_of(folder: Path) -> str | None:
    """The run of the training that keeps its files in a folder; None where none is named."""
    try:
        return str(json.loads((folder / _RUN).read_text())["run_id"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


class _Keeper(Listeners):
    """Writes down which run a training belongs to, as soon as it has a folder."""

    def __init__(self, folder: Path, run_id: str) -> None:
        super().__init__()
        self._folder, self._run_id = folder, run_id

    def started(self, first_step: int, steps: int) -> None:
        """Training begins, so its folder is there and an earlier one is forgotten."""
        (self._folder / _RUN).write_text(json.dumps({"run_id": self._run_id}) + "\n")
