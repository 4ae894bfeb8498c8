"""Trains the systems that the paper compares with on a selection of clips, in a folder that a later run can go on from.

They learn only from clips that are good in both picture and sound, because they cannot use the others. That is the
comparison: our two stages take the rest as well.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from model.baselines.batches import TalkBatch, Talker
from model.baselines.files import save_rival
from model.baselines.judging import painted
from model.baselines.lesson import PAINTER, Surroundings
from model.baselines.named import RIVALS
from model.baselines.painting import RivalNetwork, RivalPainter
from model.features.face_frame import FaceFrame
from model.perception.lite0 import Lite0
from model.perception.opening import open_perception
from model.stage2.judging import PictureExam, Sitting, sit
from model.stage2.translator import Pictures
from model.training.checkpoints import Checkpoints
from model.training.listening import Listener
from model.training.loop import Verdict, fit
from model.training.plan import Plan
from schemas.cards import RivalCard
from schemas.errors import TrainingError
from schemas.reasons import Stage
from schemas.rivals import RivalName, RivalSettings
from schemas.settings import WeightSettings
from schemas.training import Device
from schemas.translation import PictureAugmentation, PictureLosses
from tasks.feeding.clip_batches import batches_from
from tasks.feeding.stored_clips import StoredClips
from tasks.feeding.talk_batches import BothStages, TalkBatches
from tasks.learning import folders
from tasks.learning.devices import on_devices
from tasks.learning.selection import Candidate, Selection, spread
from tasks.learning.sittings import EXAMS, FRAMES, REFERENCES, require_some, validation_scores
from tasks.learning.training import MODEL, Trained, best_of, pace_of, recipe_of
from tasks.stores.workspace import Workspace

_FACE_CLIPS, _FACE_STEP = 400, 5
"""Clips of the train split, spread over its speakers, whose landmarks tell how faces differ; of each one frame in
five.
"""

_PLAIN: Final = PictureAugmentation(mirror=0, light=0)


@dataclass(frozen=True, slots=True)
class PairedSelection(Selection):
    """Clips that are good for both stages, with access to both payloads. `stored` is that of stage 2."""

    both: BothStages


@dataclass(frozen=True, slots=True, eq=False)
class TalkingExam:
    """A clip of the val split to judge on: what is told and judged of it, and what is heard."""

    sitting: Sitting
    mel_TMK: NDArray[np.float32]

    def painted(self, painter: RivalPainter) -> Pictures:
        """A rival's crops for the sitting's span, (F, S, S, 3) uint8."""
        return painted(painter, self.sitting, self.mel_TMK[self.sitting.span])


Artist = Callable[[RivalPainter, Sequence[TalkingExam], int], Mapping[str, bytes]]
"""Draws files to look at, by name."""


def paired(workspace: Workspace, selection: Selection) -> PairedSelection:
    """Of a stage-2 selection, the clips that stage 1 holds as well: what a rival can be trained on.

    Raises: TrainingError - none is left to learn from, or to judge by. NotFoundError - files of the release were
    erased.
    """
    kept = {split: tuple(clip for clip in getattr(selection, split) if clip.both) for split in ("train", "val")}
    release = selection.release
    for split, clips in kept.items():
        if not clips:
            raise TrainingError(
                f"release {release.release_id} has no clip in its {split} split that is good for both stages (of "
                f"{len(getattr(selection, split))} stage2 clips): rivals need picture and sound of the same clip"
            )
    stored = {stage: StoredClips.of(workspace, stage, release.versions[stage.value]) for stage in Stage}
    both = BothStages(stored[Stage.STAGE1], stored[Stage.STAGE2])
    return PairedSelection(release, stored[Stage.STAGE2], kept["train"], kept["val"], both)


def train_rival(
    name: RivalName,
    selection: PairedSelection,
    settings: RivalSettings,
    weights: WeightSettings,
    folder: Path,
    listener: Listener,
    draw: Artist | None = None,
    fresh: bool = False,
    device: Device = "auto",
) -> Trained[RivalCard]:
    """Train a rival, or go on training it, and leave it finished in the folder (model/baselines/files.py reads it).

    draw: pictures of what it paints on exams after so many steps. fresh: forget what an earlier run left there.

    Raises: TrainingError - a loss or clip that is not finite, no room, or Wav2Lip's time was up with its expert.
    WeightsMissingError - the settings ask for feature networks whose weights are not there. NotFoundError,
    WorkspaceError - the store cannot be read.
    """
    folders.begin(folder, selection, fresh)
    given = (name, selection, settings, weights, folder, draw)
    return on_devices(device, 1, settings.precision, _train, listener, *given)


def _train(
    fabric: Fabric,
    listener: Listener,
    name: RivalName,
    selection: PairedSelection,
    settings: RivalSettings,
    weights: WeightSettings,
    folder: Path,
    draw: Artist | None,
) -> Trained[RivalCard]:
    rival = RIVALS[name]
    _require_time_to_paint(name, settings, settings.pace.steps)
    plan = Plan([clip.facts for clip in selection.train], recipe_of(settings.feed, settings.seed))
    batches = TalkBatches(selection.both, selection.places, plan, settings)
    exams = read_talking_exams(selection, spread(selection.val, EXAMS), settings.shape.side_px)
    judge = Lite0().to(fabric.device)
    losses = PictureLosses(perception=settings.perception)
    perception = open_perception(losses, weights) if rival.feature_networks else []

    def judge_it(network: RivalNetwork, step: int) -> Verdict:
        painter = RivalPainter(network)
        drawn = draw(painter, exams, step) if draw is not None else {}
        made = ((exam.sitting, np.asarray(exam.painted(painter) / np.float32(255), np.float32)) for exam in exams)
        return Verdict(validation_scores(made, judge), drawn)

    given = Surroundings(judge_it, _looked_at(selection, settings), partial(_faces, selection), perception)
    lesson, checkpoints = rival.teach(fabric, settings, given), Checkpoints(folder)
    minutes = settings.pace.minutes
    pace = replace(pace_of(settings.pace), limit_s=None if minutes is None else 60 * minutes)
    feed = batches_from(batches, settings.pace.steps, settings.feed.readers)
    fitted = fit(fabric, lesson, feed, pace, checkpoints, listener, settings.seed)
    _require_time_to_paint(name, settings, fitted.step)
    best, step = best_of(fabric, checkpoints)
    network = rival.build(settings.shape)
    network.load_state_dict(best[PAINTER])
    network.eval()
    card = RivalCard(
        kind=name,
        shape=settings.shape,
        backend=selection.release.backend,
        release=selection.release.release_id,
        seed=settings.seed,
        steps=step,
        perception=tuple(one.name for one in perception),
    )
    save_rival(folder / MODEL, network, card)
    return Trained(folder, card, fitted, sum(value.numel() for value in network.parameters()))


def _require_time_to_paint(name: RivalName, settings: RivalSettings, steps: int) -> None:
    if name == "wav2lip" and steps <= settings.expert_steps:
        raise TrainingError(
            f"wav2lip has {steps} steps, of which its expert needs {settings.expert_steps}: nothing is left to learn "
            f"to paint; allow more steps or minutes, or fewer rivals.expert_steps"
        )


def read_talking_exams(selection: PairedSelection, clips: Sequence[Candidate], side_px: int) -> list[TalkingExam]:
    """Clips to judge on, in memory. Those too short to tell frames of and judge others are left out.

    Raises: TrainingError - a clip's numbers cannot be used, or none is long enough. NotFoundError, WorkspaceError - one
    cannot be read.
    """
    exams = []
    for clip in clips:
        talker = _talker(selection, clip, side_px)
        exam = PictureExam(clip.facts.clip_id, clip.facts.speaker, talker.portrait)
        with suppress(ValueError):  # too short
            exams.append(TalkingExam(sit(exam, REFERENCES, FRAMES), talker.mel_TMK))
    require_some(exams, REFERENCES)
    return exams


def _talker(selection: PairedSelection, clip: Candidate, side_px: int) -> Talker:
    try:
        return selection.both.talker(clip.place, side_px)
    except ValueError as error:
        raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error


def _looked_at(selection: PairedSelection, settings: RivalSettings) -> TalkBatch:
    """The same windows of the val split at every look, not varied."""
    feed = settings.feed.model_copy(update={"batch": settings.looked_at})
    plan = Plan([clip.facts for clip in selection.val], recipe_of(feed, settings.seed))
    plain = settings.model_copy(update={"augmentation": _PLAIN})
    batch = TalkBatches(selection.both, selection.places, plan, plain)[0]
    if not isinstance(batch, TalkBatch):
        raise TrainingError(f"a batch cannot be made: {batch.text}")
    return batch


def _faces(selection: PairedSelection) -> NDArray[np.float64]:
    """Landmarks of the train split, (n, 216, 2), each in its own face frame."""
    found = []
    for clip in spread(selection.train, _FACE_CLIPS):
        row = selection.both.speech.speech(clip.place)
        points = row.landmarks[row.tracked][::_FACE_STEP]
        found.append(FaceFrame.of(points).enter(points))
    return np.concatenate(found)
